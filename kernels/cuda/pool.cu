// Max pooling.
//
//   forward   y[n,p,q,c] = max over the cells (p·stride + r − pad_top, q·stride + s − pad_left) inside x;
//             index (uint8) = r·S + s of the first maximum in row-major order; a NaN wins.
//   backward  dx[n,h,w,c] (+)= Σ of dy over the windows whose winner is this cell.
//
// x, dx: N,H,W,C; y, dy, index: N,P,Q,C. All but the index: T, float or bf16.
// Threads: one per output cell (forward) or input cell (backward) and pack of channels, four of float or eight of bf16 (one
// channel where C is no multiple of that), channels fastest: a warp reads contiguous channels.
// backward gathers: each input cell asks the at most ⌈R/stride⌉ · ⌈S/stride⌉ windows that cover it. Overlapping windows thus
// need no atomics, and sums have a fixed order (windows in row-major order).
//
// Bytes per output element, 2×2 stride 2, with T of 4 bytes (2): forward 16 (8) read, 4 + 1 (2 + 1) written; backward 4 + 1
// (2 + 1) read (by four cells: cache), 16 (8) written. A few comparisons per element: bound by memory.
#include "kernels/cuda/launchers.h"
#include "kernels/cuda/pool.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

template <int width, class T>
__global__ void __launch_bounds__(block_threads)
    max_pool_forward_kernel(Pool2dShape shape, const T* __restrict__ x, T* __restrict__ y, std::uint8_t* __restrict__ index,
                            unsigned packs) {
  const unsigned i = blockIdx.x * block_threads + threadIdx.x;  // 32 bits: see pack_count
  const unsigned channel_packs = static_cast<unsigned>(shape.c / width);
  if (i < packs) {
    const unsigned c = i % channel_packs * width, cell = i / channel_packs;
    const unsigned row = cell / static_cast<unsigned>(shape.q), n = row / static_cast<unsigned>(shape.p);
    const int q = static_cast<int>(cell % static_cast<unsigned>(shape.q)),
              p = static_cast<int>(row % static_cast<unsigned>(shape.p));
    // The part of the window that lies inside x: rows r_begin … r_end − 1, columns s_begin … s_end − 1 of the window.
    const int top = static_cast<int>(p * shape.stride - shape.pad_top),
              left = static_cast<int>(q * shape.stride - shape.pad_left);
    const int rows = static_cast<int>(shape.r), columns = static_cast<int>(shape.s);
    const int r_begin = max(-top, 0), r_end = min(rows, static_cast<int>(shape.h) - top);
    const int s_begin = max(-left, 0), s_end = min(columns, static_cast<int>(shape.w) - left);
    const std::int64_t corner = ((static_cast<std::int64_t>(n) * shape.h + top) * shape.w + left) * shape.c + c;

    Pack<width> best;
    int winner[width];
    for (int j = 0; j < width; ++j) {
      best.v[j] = -INFINITY;
      winner[j] = r_begin * columns + s_begin;
    }
    for (int r = r_begin; r < r_end; ++r)
#pragma unroll 1  // unrolled, it spilled
      for (int s = s_begin; s < s_end; ++s) {
        const Pack<width> value = load<width>(x + corner + (r * shape.w + s) * shape.c);
        for (int j = 0; j < width; ++j)
          if (value.v[j] > best.v[j] || (value.v[j] != value.v[j] && best.v[j] == best.v[j])) {
            best.v[j] = value.v[j];
            winner[j] = r * columns + s;
          }
      }
    store(y + static_cast<std::int64_t>(i) * width, best);
    if (index) {
      StoredPack<std::uint8_t, width> bytes;
      for (int j = 0; j < width; ++j) bytes.v[j] = static_cast<std::uint8_t>(winner[j]);
      *reinterpret_cast<StoredPack<std::uint8_t, width>*>(index + static_cast<std::int64_t>(i) * width) = bytes;
    }
  }
}

template <int width, class T>
__global__ void __launch_bounds__(block_threads)
    max_pool_backward_kernel(Pool2dShape shape, const T* __restrict__ dy, const std::uint8_t* __restrict__ index,
                             T* __restrict__ dx, unsigned packs, bool accumulate) {
  const unsigned i = blockIdx.x * block_threads + threadIdx.x;  // 32 bits: see pack_count
  const unsigned channel_packs = static_cast<unsigned>(shape.c / width);
  if (i < packs) {
    const unsigned cell = i / channel_packs, row = cell / static_cast<unsigned>(shape.w);
    const std::int64_t c = i % channel_packs * width, n = row / static_cast<unsigned>(shape.h);
    const int w = static_cast<int>(cell % static_cast<unsigned>(shape.w)),
              h = static_cast<int>(row % static_cast<unsigned>(shape.h));
    const int top = static_cast<int>(shape.pad_top), left = static_cast<int>(shape.pad_left),
              stride = static_cast<int>(shape.stride);
    const Windows rows = covering(h + top, static_cast<int>(shape.r), stride, static_cast<int>(shape.p));
    const Windows columns = covering(w + left, static_cast<int>(shape.s), stride, static_cast<int>(shape.q));

    Pack<width> sum = {};
    for (int p = rows.first; p < rows.end; ++p)
      for (int q = columns.first; q < columns.end; ++q) {
        const int here = (h + top - p * stride) * static_cast<int>(shape.s) + w + left - q * stride;
        const std::int64_t at = ((n * shape.p + p) * shape.q + q) * shape.c + c;
        const StoredPack<std::uint8_t, width> winner = *reinterpret_cast<const StoredPack<std::uint8_t, width>*>(index + at);
        const Pack<width> gradient = load<width>(dy + at);
        for (int j = 0; j < width; ++j)
          if (winner.v[j] == here) sum.v[j] += gradient.v[j];
      }
    store(dx + static_cast<std::int64_t>(i) * width, sum, accumulate);
  }
}

}  // namespace

void max_pool_forward(Stream& stream, const Pool2dShape& shape, ConstView x, View y, View index) {
  with_activation_type(stream, x.dtype, [&]<class T>(const LaunchOn& on, T) {
    constexpr int width = pack_width<T>;
    const T* const from = x.as<T>();
    T* const to = y.as<T>();
    std::uint8_t* const winners = index.as<std::uint8_t>();
    const bool packs = shape.c % width == 0 && aligned_for_packs<width>(from, to, winners);
    const unsigned count = pack_count(y.count(), packs ? width : 1);
    launch(packs ? max_pool_forward_kernel<width, T> : max_pool_forward_kernel<1, T>, block_count(count, block_threads),
           block_threads, 0, on, shape, from, to, winners, count);
  });
}

void max_pool_backward(Stream& stream, const Pool2dShape& shape, ConstView dy, ConstView index, Gradient dx) {
  with_activation_type(stream, dy.dtype, [&]<class T>(const LaunchOn& on, T) {
    constexpr int width = pack_width<T>;
    const T* const from = dy.as<T>();
    T* const to = dx.view.as<T>();
    const std::uint8_t* const winners = index.as<std::uint8_t>();
    const bool packs = shape.c % width == 0 && aligned_for_packs<width>(from, to, winners);
    const unsigned count = pack_count(dx.view.count(), packs ? width : 1);
    launch(packs ? max_pool_backward_kernel<width, T> : max_pool_backward_kernel<1, T>, block_count(count, block_threads),
           block_threads, 0, on, shape, from, winners, to, count, dx.accumulate);
  });
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
