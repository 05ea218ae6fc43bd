// Max pooling.
//
//   forward   y[n,p,q,c] = max over the cells (p·stride + r − pad_top, q·stride + s − pad_left) inside x;
//             index (uint8) = r·S + s of the first maximum in row-major order; a NaN wins.
//   backward  dx[n,h,w,c] (+)= Σ of dy over the windows whose winner is this cell.
//
// x, dx: N,H,W,C; y, dy, index: N,P,Q,C.
// Threads: one per output cell (forward) or input cell (backward) and pack of four channels (one channel where C is no
// multiple of four), striding over the grid, channels fastest: a warp reads contiguous channels.
// backward gathers: each input cell asks the at most ⌈R/stride⌉ · ⌈S/stride⌉ windows that cover it. Overlapping windows thus
// need no atomics, and sums have a fixed order (windows in row-major order).
//
// Bytes per output element, 2×2 stride 2: forward 4·4 read + 4 + 1 written; backward (4 + 1) read (by four cells: cache) +
// 4·4 written. A few comparisons per element: bound by memory.
#include "kernels/cuda/elements.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

template <int width>
struct alignas(width) BytePack {
  std::uint8_t v[width];
};

template <int width>
__global__ void __launch_bounds__(block_threads)
    max_pool_forward_kernel(Pool2dShape shape, const float* __restrict__ x, float* __restrict__ y,
                            std::uint8_t* __restrict__ index, std::int64_t packs) {
  const std::int64_t threads = static_cast<std::int64_t>(gridDim.x) * block_threads, channel_packs = shape.c / width;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x; i < packs; i += threads) {
    const std::int64_t c = i % channel_packs * width, cell = i / channel_packs;
    const std::int64_t q = cell % shape.q, p = cell / shape.q % shape.p, n = cell / shape.q / shape.p;
    // The part of the window that lies inside x: rows r_begin … r_end − 1, columns s_begin … s_end − 1 of the window.
    const std::int64_t top = p * shape.stride - shape.pad_top, left = q * shape.stride - shape.pad_left;
    const int r_begin = top < 0 ? static_cast<int>(-top) : 0, s_begin = left < 0 ? static_cast<int>(-left) : 0;
    const int r_end = static_cast<int>(min(shape.r, shape.h - top)), s_end = static_cast<int>(min(shape.s, shape.w - left));
    const std::int64_t corner = ((n * shape.h + top) * shape.w + left) * shape.c + c;

    Pack<width> best;
    BytePack<width> winner;
    for (int j = 0; j < width; ++j) {
      best.v[j] = -INFINITY;
      winner.v[j] = static_cast<std::uint8_t>(r_begin * shape.s + s_begin);
    }
    for (int r = r_begin; r < r_end; ++r)
      for (int s = s_begin; s < s_end; ++s) {
        const Pack<width> value = load<width>(x + corner + (r * shape.w + s) * shape.c);
        for (int j = 0; j < width; ++j)
          if (value.v[j] > best.v[j] || (value.v[j] != value.v[j] && best.v[j] == best.v[j])) {
            best.v[j] = value.v[j];
            winner.v[j] = static_cast<std::uint8_t>(r * shape.s + s);
          }
      }
    store(y + i * width, best);
    if (index) *reinterpret_cast<BytePack<width>*>(index + i * width) = winner;
  }
}

// The windows p with p·stride + r = position for some 0 ≤ r < extent: first ≤ p < end.
struct Windows {
  std::int64_t first, end;
};
__device__ inline Windows covering(std::int64_t position, std::int64_t extent, std::int64_t stride, std::int64_t windows) {
  const std::int64_t last = position / stride;
  return {position < extent ? 0 : (position - extent) / stride + 1, last < windows ? last + 1 : windows};
}

template <int width>
__global__ void __launch_bounds__(block_threads)
    max_pool_backward_kernel(Pool2dShape shape, const float* __restrict__ dy, const std::uint8_t* __restrict__ index,
                             float* __restrict__ dx, std::int64_t packs, bool accumulate) {
  const std::int64_t threads = static_cast<std::int64_t>(gridDim.x) * block_threads, channel_packs = shape.c / width;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x; i < packs; i += threads) {
    const std::int64_t c = i % channel_packs * width, cell = i / channel_packs;
    const std::int64_t w = cell % shape.w, h = cell / shape.w % shape.h, n = cell / shape.w / shape.h;
    const Windows rows = covering(h + shape.pad_top, shape.r, shape.stride, shape.p);
    const Windows columns = covering(w + shape.pad_left, shape.s, shape.stride, shape.q);

    Pack<width> sum = {};
    for (std::int64_t p = rows.first; p < rows.end; ++p)
      for (std::int64_t q = columns.first; q < columns.end; ++q) {
        const int here =
            static_cast<int>((h + shape.pad_top - p * shape.stride) * shape.s + w + shape.pad_left - q * shape.stride);
        const std::int64_t at = ((n * shape.p + p) * shape.q + q) * shape.c + c;
        const BytePack<width> winner = *reinterpret_cast<const BytePack<width>*>(index + at);
        const Pack<width> gradient = load<width>(dy + at);
        for (int j = 0; j < width; ++j)
          if (winner.v[j] == here) sum.v[j] += gradient.v[j];
      }
    store(dx + i * width, sum, accumulate);
  }
}

}  // namespace

void max_pool_forward(Stream& stream, const Pool2dShape& shape, ConstView x, View y, View index) {
  require_float32(stream, x);
  const bool packs = shape.c % 4 == 0 && aligned_for_packs(x.as<float>(), y.as<float>()) &&
                     reinterpret_cast<std::uintptr_t>(index.data) % 4 == 0;
  const std::int64_t count = y.count() / (packs ? 4 : 1);
  launch(packs ? max_pool_forward_kernel<4> : max_pool_forward_kernel<1>, block_count(count, block_threads, loop_blocks),
         block_threads, 0, stream, shape, x.as<float>(), y.as<float>(), index.as<std::uint8_t>(), count);
}

void max_pool_backward(Stream& stream, const Pool2dShape& shape, ConstView dy, ConstView index, Gradient dx) {
  require_float32(stream, dy);
  float* out = dx.view.as<float>();
  const bool packs =
      shape.c % 4 == 0 && aligned_for_packs(dy.as<float>(), out) && reinterpret_cast<std::uintptr_t>(index.data) % 4 == 0;
  const std::int64_t count = dx.view.count() / (packs ? 4 : 1);
  launch(packs ? max_pool_backward_kernel<4> : max_pool_backward_kernel<1>, block_count(count, block_threads, loop_blocks),
         block_threads, 0, stream, shape, dy.as<float>(), index.as<std::uint8_t>(), out, count, dx.accumulate);
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
