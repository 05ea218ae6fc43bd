// Copies a range of columns from one matrix into another: y[i, to + j] (+)= x[i, from + j] for 0 ≤ j < columns.
//
// x, y: T, float or bf16. Twice T's size per element copied (three times accumulating), no arithmetic but addresses; bound
// by memory.
//
// Threads: each_element (elements.h) over the rows · columns elements that are copied, row by row, so that neighbours in a
// warp touch neighbouring addresses. A pack of 16 bytes per thread and turn where it never straddles two rows: where both
// row lengths, both offsets and the number of columns are multiples of its elements, and the operands are aligned.
#include "kernels/cuda/elements.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

template <class T>
struct CopyColumns {
  const T* x;  // from its first column on
  T* y;
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
  if (x.count() == 0 || columns == 0) return;
  with_activation_type(stream, x.dtype, [&]<class T>(const LaunchOn& on, T) {
    constexpr int width = pack_width<T>;
    const CopyColumns<T> body{x.as<T>() + from, y.view.as<T>() + to, columns,
                              x.dims.last(),    y.view.dims.last(),  y.accumulate};
    const bool packs = columns % width == 0 && body.x_columns % width == 0 && body.y_columns % width == 0;
    each_element<width>(on, x.count() / body.x_columns * columns, packs && aligned_for_packs<width>(body.x, body.y), body);
  });
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
