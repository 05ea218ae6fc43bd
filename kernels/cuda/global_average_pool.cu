// Global average pooling: y[n,c] = mean over H×W of x[n,h,w,c];  dx[n,h,w,c] (+)= dy[n,c] / (H·W).
//
// Bytes: 4 per element of x (backward: written; 8 accumulating); 1 FLOP per element. Bound by memory.
// forward:  block (image, tile of channels) is one slice of the walk in columns.h: 256 threads, up to 32 packs of channels
//           side by side, the others below one another along H·W; then a tree over those.
// backward: one thread per pack of dx, striding over the grid; dy comes from cache.
#include "kernels/cuda/columns.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

// walk: one image is one slice, its rows are the H·W cells.
template <int width>
__global__ void __launch_bounds__(block_threads)
    average_kernel(ColumnWalk walk, const float* __restrict__ x, float* __restrict__ y) {
  __shared__ Pack<width> scratch[block_threads];
  const ColumnThread at = column_thread(walk, width);
  Pack<width> sum = {};
  if (at.column < walk.columns)
    for (std::int64_t row = at.first_row; row < at.end; row += at.step) {
      const Pack<width> value = load<width>(x + row * walk.columns + at.column);
      for (int j = 0; j < width; ++j) sum.v[j] += value.v[j];
    }
  sum = sum_down(sum, walk.lanes, scratch);
  if (threadIdx.x < static_cast<unsigned>(walk.lanes) && at.column < walk.columns) {
    for (int j = 0; j < width; ++j) sum.v[j] /= static_cast<float>(walk.rows_per_slice);
    store(y + blockIdx.x * walk.columns + at.column, sum);
  }
}

template <int width>
__global__ void __launch_bounds__(block_threads)
    spread_kernel(const float* __restrict__ dy, float* __restrict__ dx, std::int64_t packs, std::int64_t cells,
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
  require_float32(stream, x);
  const std::int64_t images = x.dims[0], cells = x.dims[1] * x.dims[2], channels = x.dims[3];
  const bool packs = channels % 4 == 0 && aligned_for_packs(x.as<float>(), y.as<float>());
  ColumnWalk walk = column_walk(images * cells, channels, packs ? 4 : 1, 1, 1);
  walk.rows_per_slice = cells;
  launch(packs ? average_kernel<4> : average_kernel<1>, walk.grid(packs ? 4 : 1), block_threads, 0, stream, walk,
         x.as<float>(), y.as<float>());
}

void global_average_pool_backward(Stream& stream, ConstView dy, Gradient dx) {
  require_float32(stream, dy);
  const Dims& dims = dx.view.dims;
  float* out = dx.view.as<float>();
  const bool packs = dims[3] % 4 == 0 && aligned_for_packs(dy.as<float>(), out);
  const std::int64_t width = packs ? 4 : 1, count = dx.view.count() / width;
  launch(packs ? spread_kernel<4> : spread_kernel<1>, block_count(count, block_threads, loop_blocks), block_threads, 0,
         stream, dy.as<float>(), out, count, dims[1] * dims[2], dims[3] / width, dx.accumulate);
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
