// Copies a range of columns from one matrix into another: y[i, to + j] (+)= x[i, from + j] for 0 ≤ j < columns.
//
// 8 bytes per element copied (12 accumulating), no arithmetic but addresses; bound by memory.
//
// Threads: each_element (elements.h) over the rows · columns elements that are copied, row by row, so that neighbours in a
// warp touch neighbouring addresses. Four elements per thread and turn where a pack never straddles two rows: where both row
// lengths, both offsets and the number of columns are multiples of four, and the operands are aligned.
#include "kernels/cuda/elements.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

struct CopyColumns {
  const float* x;  // from its first column on
  float* y;
  std::int64_t columns, x_columns, y_columns;
  bool accumulate;

  template <int width>
  __device__ void operator()(std::int64_t i) const {
    const std::int64_t row = i / columns, column = i % columns;
    store(y + row * y_columns + column, load<width>(x + row * x_columns + column), accumulate);
  }
};

}  // namespace

void copy_columns(Stream& stream, std::int64_t columns, ConstView x, std::int64_t from, Gradient y, std::int64_t to) {
  require_float32(stream, x);
  if (x.count() == 0 || columns == 0) return;
  const CopyColumns body{x.as<float>() + from, y.view.as<float>() + to, columns,
                         x.dims.last(),        y.view.dims.last(),      y.accumulate};
  const bool packs = body.columns % 4 == 0 && body.x_columns % 4 == 0 && body.y_columns % 4 == 0;
  each_element(stream, x.count() / body.x_columns * columns, packs && aligned_for_packs(body.x, body.y), body);
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
