// Global average pooling: y[n,c] = mean over H×W of x[n,h,w,c];  dx[n,h,w,c] (+)= dy[n,c] / (H·W).
//
// x, y, dy, dx: T, float or bf16. Bytes: T's size per element of x (backward: written; twice that accumulating); 1 FLOP per
// element. Bound by memory.
// forward:  block (image, tile of channels) is one slice of the walk in columns.h: 256 threads, up to 32 packs of channels
//           side by side, the others below one another along H·W; then a tree over those.
// backward: one thread per pack of dx, striding over the grid; dy comes from cache.
#include "kernels/cuda/columns.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

// walk: one image is one slice, its rows are the H·W cells.
template <int width, class T>
__global__ void __launch_bounds__(block_threads)
    average_kernel(ColumnWalk walk, const T* __restrict__ x, T* __restrict__ y) {
  __shared__ Pack<width> scratch[block_threads];
  const ColumnThread at = column_thread(walk, width);
  Pack<width> sum = slice_sum(walk, at, x, scratch);
  if (in_top_row(walk, at)) {
    for (int j = 0; j < width; ++j) sum.v[j] /= static_cast<float>(walk.rows_per_slice);
    store(y + blockIdx.x * walk.columns + at.column, sum);
  }
}

template <int width, class T>
__global__ void __launch_bounds__(block_threads)
    spread_kernel(const T* __restrict__ dy, T* __restrict__ dx, std::int64_t packs, std::int64_t cells,
                  std::int64_t channel_packs, bool accumulate) {
  const std::int64_t threads = static_cast<std::int64_t>(gridDim.x) * block_threads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x; i < packs; i += threads) {
    const std::int64_t image = i / channel_packs / cells;
    Pack<width> gradient = load<width>(dy + (image * channel_packs + i % channel_packs) * width);
    for (int j = 0; j < width; ++j) gradient.v[j] /= static_cast<float>(cells);
    store(dx + i * width, gradient, accumulate);
  }
}

}  // namespace

void global_average_pool_forward(Stream& stream, ConstView x, View y) {
  with_activation_type(stream, x.dtype, [&]<class T>(const LaunchOn& on, T) {
    const std::int64_t images = x.dims[0], cells = x.dims[1] * x.dims[2], channels = x.dims[3];
    const bool packs = channels % pack_width<T> == 0 && aligned_for_packs<pack_width<T>>(x.as<T>(), y.as<T>());
    const int width = packs ? pack_width<T> : 1;
    const ColumnWalk walk{images * cells, channels, cells, column_lanes(channels, width)};
    launch(packs ? average_kernel<pack_width<T>, T> : average_kernel<1, T>, walk.grid(width), block_threads, 0, on, walk,
           x.as<T>(), y.as<T>());
  });
}

void global_average_pool_backward(Stream& stream, ConstView dy, Gradient dx) {
  with_activation_type(stream, dy.dtype, [&]<class T>(const LaunchOn& on, T) {
    const Dims& dims = dx.view.dims;
    T* const out = dx.view.as<T>();
    const bool packs = dims[3] % pack_width<T> == 0 && aligned_for_packs<pack_width<T>>(dy.as<T>(), out);
    const int width = packs ? pack_width<T> : 1;
    const std::int64_t count = dx.view.count() / width;
    launch(packs ? spread_kernel<pack_width<T>, T> : spread_kernel<1, T>, block_count(count, block_threads, loop_blocks),
           block_threads, 0, on, dy.as<T>(), out, count, dims[1] * dims[2], dims[3] / width, dx.accumulate);
  });
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
