// Average pooling.
//
//   forward   y[n,p,q,c] = Σ over the cells (p·stride + r − pad_top, q·stride + s − pad_left) inside x, divided by their
//             number or, with count_padding, by R·S
//   backward  dx[n,h,w,c] (+)= Σ over the windows that reach the cell of dy, each divided by its number
//
// x, dx: N,H,W,C; y, dy: N,P,Q,C; T, float or bf16, sums in float.
// Threads: one per output cell (forward) or input cell (backward) and pack of channels, four of float, or of bf16 four
// forward and eight backward (one channel where C is no multiple of that), channels fastest: a warp reads contiguous
// channels. backward gathers, as max pooling does: no atomics, windows in row-major order.
//
// Bytes per output element, 2×2 stride 2, with T of 4 bytes (2): 16 (8) read and 4 (2) written forward, the reverse
// backward. One addition per cell: bound by memory.
#include "kernels/cuda/launchers.h"
#include "kernels/cuda/pool.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

// The part of a window that lies inside the input, along one axis: begin … end − 1 of its cells.
struct Inside {
  int begin, end;
};
__device__ inline Inside inside(int window, int stride, int pad, int cells, int extent) {
  const int start = window * stride - pad;
  return {start < 0 ? -start : 0, extent - start < cells ? extent - start : cells};
}

// Shape as 32-bit numbers, and what a window's sum is multiplied by.
struct AverageWindows {
  int h, w, c, r, s, p, q, stride, top, left;
  bool count_padding;

  AverageWindows(const Pool2dShape& d, bool count)
      : h(static_cast<int>(d.h)),
        w(static_cast<int>(d.w)),
        c(static_cast<int>(d.c)),
        r(static_cast<int>(d.r)),
        s(static_cast<int>(d.s)),
        p(static_cast<int>(d.p)),
        q(static_cast<int>(d.q)),
        stride(static_cast<int>(d.stride)),
        top(static_cast<int>(d.pad_top)),
        left(static_cast<int>(d.pad_left)),
        count_padding(count) {}
  __device__ Inside rows(int window) const { return inside(window, stride, top, r, h); }
  __device__ Inside columns(int window) const { return inside(window, stride, left, s, w); }
  // 1/number by one step of Newton's: a division is a subroutine, around which registers spilled.
  __device__ float share(const Inside& rows, const Inside& columns) const {
    const float number = static_cast<float>(count_padding ? r * s : (rows.end - rows.begin) * (columns.end - columns.begin));
    const float root = rsqrtf(number), guess = root * root;
    return guess + guess * (1.0f - number * guess);
  }
};

template <int width, class T>
__global__ void __launch_bounds__(block_threads)
    average_pool_forward_kernel(AverageWindows d, const T* __restrict__ x, T* __restrict__ y, unsigned packs) {
  const unsigned i = blockIdx.x * block_threads + threadIdx.x;  // 32 bits: see pack_count
  if (i < packs) {
    const unsigned channel_packs = static_cast<unsigned>(d.c / width), cell = i / channel_packs;
    const unsigned row = cell / static_cast<unsigned>(d.q);
    const int q = static_cast<int>(cell % static_cast<unsigned>(d.q)),
              p = static_cast<int>(row % static_cast<unsigned>(d.p));
    const std::int64_t n = row / static_cast<unsigned>(d.p), channel = i % channel_packs * width;
    const Inside rows = d.rows(p), columns = d.columns(q);
    const T* const corner = x + ((n * d.h + p * d.stride - d.top) * d.w + q * d.stride - d.left) * d.c + channel;
    Pack<width> sum = {};
#pragma unroll 1
    for (int r = rows.begin; r < rows.end; ++r) {
      const T* cell_at = corner + (std::int64_t{r} * d.w + columns.begin) * d.c;
#pragma unroll 1
      for (int s = columns.begin; s < columns.end; ++s, cell_at += d.c) {
        const Pack<width> value = load<width>(cell_at);
        for (int j = 0; j < width; ++j) sum.v[j] += value.v[j];
      }
    }
    const float share = d.share(rows, columns);
    for (int j = 0; j < width; ++j) sum.v[j] *= share;
    store(y + static_cast<std::int64_t>(i) * width, sum);
  }
}

template <int width, class T>
__global__ void __launch_bounds__(block_threads)
    average_pool_backward_kernel(AverageWindows d, const T* __restrict__ dy, T* __restrict__ dx, unsigned packs,
                                 bool accumulate) {
  const unsigned i = blockIdx.x * block_threads + threadIdx.x;
  if (i < packs) {
    const unsigned channel_packs = static_cast<unsigned>(d.c / width), cell = i / channel_packs;
    const unsigned row = cell / static_cast<unsigned>(d.w);
    const int w = static_cast<int>(cell % static_cast<unsigned>(d.w)),
              h = static_cast<int>(row % static_cast<unsigned>(d.h));
    const std::int64_t n = row / static_cast<unsigned>(d.h), channel = i % channel_packs * width;
    const Windows down = covering(h + d.top, d.r, d.stride, d.p), across = covering(w + d.left, d.s, d.stride, d.q);
    Pack<width> sum = {};
    for (int p = down.first; p < down.end; ++p)
#pragma unroll 1
      for (int q = across.first; q < across.end; ++q) {
        const float share = d.share(d.rows(p), d.columns(q));
        const Pack<width> gradient = load<width>(dy + ((n * d.p + p) * d.q + q) * d.c + channel);
        for (int j = 0; j < width; ++j) sum.v[j] += gradient.v[j] * share;
      }
    store(dx + static_cast<std::int64_t>(i) * width, sum, accumulate);
  }
}

}  // namespace

void average_pool_forward(Stream& stream, const Pool2dShape& shape, bool count_padding, ConstView x, View y) {
  with_activation_type(stream, x.dtype, [&]<class T>(const LaunchOn& on, T) {
    constexpr int width = 4;  // eight of bf16 spilled registers on one architecture
    const bool packs = shape.c % width == 0 && aligned_for_packs<width>(x.as<T>(), y.as<T>());
    const unsigned count = pack_count(y.count(), packs ? width : 1);
    launch(packs ? average_pool_forward_kernel<width, T> : average_pool_forward_kernel<1, T>,
           block_count(count, block_threads), block_threads, 0, on, AverageWindows(shape, count_padding), x.as<T>(),
           y.as<T>(), count);
  });
}

void average_pool_backward(Stream& stream, const Pool2dShape& shape, bool count_padding, ConstView dy, Gradient dx) {
  with_activation_type(stream, dy.dtype, [&]<class T>(const LaunchOn& on, T) {
    constexpr int width = pack_width<T>;
    T* const to = dx.view.as<T>();
    const bool packs = shape.c % width == 0 && aligned_for_packs<width>(dy.as<T>(), to);
    const unsigned count = pack_count(dx.view.count(), packs ? width : 1);
    launch(packs ? average_pool_backward_kernel<width, T> : average_pool_backward_kernel<1, T>,
           block_count(count, block_threads), block_threads, 0, on, AverageWindows(shape, count_padding), dy.as<T>(), to,
           count, dx.accumulate);
  });
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
