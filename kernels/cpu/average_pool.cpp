// average_pool_forward, average_pool_backward: formulas in kernels/slots.def, geometry at Pool2dShape.
//
// Loop order: image, output row, window, window row; the cells of a window row lie one behind the other in memory, and the
// inner loops run over their channels. Threads take runs of images: windows may share input cells, and each image adds its
// windows in order. bf16 images are widened as a whole. Bytes: x and y once, each cell of x R·S/stride² times from the
// cache.
#include "kernels/cpu/launchers.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/pieces.h"
#include "kernels/cpu/scratch.h"

namespace tessera::kernels::cpu {
namespace {

// The part [first, last) of a window that lies inside the input, along one axis, in input cells.
struct Span {
  std::int64_t first, last;
  std::int64_t count() const { return last - first; }
};
Span inside(std::int64_t window_start, std::int64_t window, std::int64_t extent) {
  return {std::max<std::int64_t>(0, window_start), std::min(window_start + window, extent)};
}

// fn(window's number in its image, rows, columns, 1/(what its sum is divided by)) for each window that reaches the input.
template <class Function>
void for_windows(const Pool2dShape& shape, bool count_padding, const Function& fn) {
  for (std::int64_t p = 0; p < shape.p; ++p)
    for (std::int64_t q = 0; q < shape.q; ++q) {
      const Span rows = inside(p * shape.stride - shape.pad_top, shape.r, shape.h);
      const Span columns = inside(q * shape.stride - shape.pad_left, shape.s, shape.w);
      const std::int64_t number = count_padding ? shape.r * shape.s : rows.count() * columns.count();
      fn(p * shape.q + q, rows, columns, 1.0f / static_cast<float>(number));
    }
}

// fn(image, its input elements' buffer, its outputs' buffer): buffers for images in bf16, one of each for a thread.
template <class Function>
void for_images(Stream& stream, const Pool2dShape& shape, bool buffered, const Function& fn) {
  const std::int64_t in = shape.h * shape.w * shape.c, out = shape.p * shape.q * shape.c;
  const std::int64_t floats = buffered ? whole_lines(in) + whole_lines(out) : 0, pixel = whole_lines(shape.c);
  Scratch scratch(stream, stream.options.threads * (floats + pixel));
  float* buffers = scratch.take(0);
  parallel_workers_for(stream, 0, shape.n, 1 + grain_elements / std::max<std::int64_t>(in, 1),
                       [&](int worker, std::int64_t first, std::int64_t last) {
                         float* own = buffers + worker * (floats + pixel);
                         for (std::int64_t n = first; n < last; ++n)
                           fn(n, own + pixel, own + pixel + (buffered ? whole_lines(in) : 0), own);
                       });
}

}  // namespace

void average_pool_forward(Stream& stream, const Pool2dShape& shape, bool count_padding, ConstView x, View y) {
  require_float(stream, "average_pool_forward", {x, y});
  const SimdLoops& loops = simd_loops(stream);
  const std::int64_t c = shape.c, in = shape.h * shape.w * c, out = shape.p * shape.q * c;
  for_images(stream, shape, is_bf16(x) || is_bf16(y), [&](std::int64_t n, float* in_buffer, float* out_buffer, float* sum) {
    const float* from = widened(loops, x, n * in, in, in_buffer);
    const Gradient result{y, false};
    float* to = widened(loops, result, n * out, out, out_buffer);
    for_windows(shape, count_padding, [&](std::int64_t window, const Span& rows, const Span& columns, float share) {
      std::fill_n(sum, c, 0.0f);
      for (std::int64_t h = rows.first; h < rows.last; ++h)
        loops.column_sums(from + (h * shape.w + columns.first) * c, columns.count() * c, c, sum);
      loops.scale(share, sum, to + window * c, false, c);
    });
    narrow_back(loops, result, n * out, out, out_buffer);
  });
}

void average_pool_backward(Stream& stream, const Pool2dShape& shape, bool count_padding, ConstView dy, Gradient dx) {
  if (!dx) return;
  require_float(stream, "average_pool_backward", {dy, dx.view});
  const SimdLoops& loops = simd_loops(stream);
  const std::int64_t c = shape.c, in = shape.h * shape.w * c, out = shape.p * shape.q * c;
  for_images(
      stream, shape, is_bf16(dy) || is_bf16(dx.view), [&](std::int64_t n, float* in_buffer, float* out_buffer, float*) {
        const float* from = widened(loops, dy, n * out, out, out_buffer);
        float* to = widened(loops, dx, n * in, in, in_buffer);
        if (!dx.accumulate) std::fill_n(to, in, 0.0f);
        for_windows(shape, count_padding, [&](std::int64_t window, const Span& rows, const Span& columns, float share) {
          for (std::int64_t h = rows.first; h < rows.last; ++h)
            for (std::int64_t w = columns.first; w < columns.last; ++w)
              loops.scale(share, from + window * c, to + (h * shape.w + w) * c, true, c);
        });
        narrow_back(loops, dx, n * in, in, in_buffer);
      });
}

}  // namespace tessera::kernels::cpu
