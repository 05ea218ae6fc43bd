// The windows of pooling and of depthwise convolution, as runs that the inner loops take at once.
#pragma once

#include <algorithm>

#include "kernels/cpu/isa/simd_loops.h"
#include "kernels/params.h"

namespace tessera::kernels::cpu {

// The part [first, last) of a window that lies inside the input, along one axis.
struct Span {
  std::int64_t first, last;
  bool operator==(const Span&) const = default;
};
inline Span inside(std::int64_t window_start, std::int64_t window, std::int64_t extent) {
  return {std::max<std::int64_t>(0, -window_start), std::min(window, extent - window_start)};
}

// fn(row, offset of the first window's first cell from the first input row that the windows reach, output column) for each
// run of windows of one output row that reach the same cells. Windows that reach none are left out.
inline Span rows_of(const Pool2dShape& shape, std::int64_t output_row) {
  return inside(output_row * shape.stride - shape.pad_top, shape.r, shape.h);
}

template <class Function>
void for_runs(const Pool2dShape& shape, std::int64_t output_row, const Function& fn) {
  const Span rows = rows_of(shape, output_row);
  for (std::int64_t q = 0; q < shape.q;) {
    const std::int64_t left = q * shape.stride - shape.pad_left;
    const Span columns = inside(left, shape.s, shape.w);
    std::int64_t end = q + 1;
    while (end < shape.q && inside(end * shape.stride - shape.pad_left, shape.s, shape.w) == columns) ++end;
    if (rows.first < rows.last && columns.first < columns.last) {
      const WindowRow row{.windows = end - q,
                          .channels = shape.c,
                          .window_step = shape.stride * shape.c,
                          .row_step = shape.w * shape.c,
                          .rows = static_cast<int>(rows.last - rows.first),
                          .columns = static_cast<int>(columns.last - columns.first),
                          .first_number = static_cast<int>(rows.first * shape.s + columns.first),
                          .number_step = static_cast<int>(shape.s)};
      fn(row, (left + columns.first) * shape.c, q);
    }
    q = end;
  }
}

// The first input row that the windows of an output row reach.
inline std::int64_t top_row(const Pool2dShape& shape, std::int64_t output_row) {
  return output_row * shape.stride - shape.pad_top + rows_of(shape, output_row).first;
}

}  // namespace tessera::kernels::cpu
