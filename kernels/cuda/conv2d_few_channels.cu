// Convolutions of few channels (c < 8, k ≤ 16: the first layers of small networks), forward, and all gradients by one launch
// (two where the pixels are many). x: [n,h,w,c], w: [k,r,s,c], y, dy: [n,p,q,k], float32 or bf16; dw, db: float32.
//
//   forward   y = f(scale·conv(x, w) + shift + residual)
//   backward  dz = dy·f'(y);  dx[n,i,j,c] (+)= Σ_{r,s,k} dz[n, (i + pad_top − r)/stride, (j + pad_left − s)/stride, k]·w[k,r,s,c]
//             dw[k,r,s,c] (+)= Σ_{n,p,q} dz[n,p,q,k]·x[n, p·stride + r − pad_top, q·stride + s − pad_left, c];  db[k] (+)= Σ dz
//
// forward, dx: a thread has one pixel and four neighbouring channels of the result; the block's filters for these lie in
// shared memory, where a warp reads one pack of four at a time. dz is never stored. A tile of a product (gemm.h) has 64
// columns, of which 6 or 16 would be of use.
// dw, db: tiles of 16 filters × 16 cells, behind the last cell one of ones, which is the bias (small_product.h). Pixels beyond
// a few thousand are shared out among blocks; a second launch adds the shares in order, a warp an element.
// 2·n·p·q·k·r·s·c FLOPs each; forward and dx read shared memory and L1 once for four multiply-adds: bound by those, or by
// latency. Variants not here: several pixels a thread, windows kept in shared memory.
#include "kernels/cuda/conv2d_few_channels.h"

#include <algorithm>

#include "kernels/cuda/conv2d.h"
#include "kernels/cuda/conv2d_windows.h"
#include "kernels/cuda/elements.h"
#include "kernels/cuda/launchers.h"
#include "kernels/cuda/reduce.h"
#include "kernels/cuda/small_product.h"
#include "kernels/one_launch.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

constexpr int pixel_threads = 128;

// Four neighbouring channels of a filter bank, the others none of this thread's: 0.
template <class T>
__device__ Pack<4> four_of(const T* from, int count) {
  Pack<4> four;
  for (int j = 0; j < 4; ++j) four.v[j] = j < count ? widened(from[j]) : 0.0f;
  return four;
}

template <class T>
__global__ void __launch_bounds__(pixel_threads, 4)
    few_channels_forward_kernel(Conv2dSizes d, FastDivide by_p, FastDivide by_q, const T* __restrict__ x,
                                const T* __restrict__ w, GemmResult<T> y) {
  DYNAMIC_SHARED(Pack<4>, filters);  // [cells of a filter]
  const int cells = d.r * d.s * d.c, first = static_cast<int>(blockIdx.y) * 4, count = d.k - first < 4 ? d.k - first : 4;
  for (int cell = static_cast<int>(threadIdx.x); cell < cells; cell += pixel_threads)
    for (int j = 0; j < 4; ++j) filters[cell].v[j] = j < count ? widened(w[(first + j) * cells + cell]) : 0.0f;
  __syncthreads();
  const std::int64_t pixel = static_cast<std::int64_t>(blockIdx.x) * pixel_threads + threadIdx.x;
  if (pixel >= d.outputs) return;
  const auto [line, q] = by_q(static_cast<int>(pixel));
  const auto [image, p] = by_p(line);
  const int top = p * d.stride - d.pad_top, left = q * d.stride - d.pad_left;
  Pack<4> sum = {};
  for (int r = 0; r < d.r; ++r) {
    if (top + r < 0 || top + r >= d.h) continue;
    for (int s = 0; s < d.s; ++s) {
      if (left + s < 0 || left + s >= d.w) continue;
      const T* const from = x + ((static_cast<std::int64_t>(image) * d.h + top + r) * d.w + left + s) * d.c;
      const Pack<4>* const filter = filters + (r * d.s + s) * d.c;
      for (int c = 0; c < d.c; ++c) {
        const float value = widened(from[c]);
        for (int j = 0; j < 4; ++j) sum.v[j] += value * filter[c].v[j];
      }
    }
  }
  const std::int64_t at = pixel * d.k + first;
  y.finish(at, count, y.columns_from(first), y.addend(at, count), sum);
}

template <class T>
struct FewChannelsBackward {
  Conv2dSizes d;
  FastDivide by_h, by_w, by_stride;
  const T *w, *y, *dy;
  Activation f;
  SmallGradients<T, GemmMatrix<T, Major::line>> dz;      // lines are filters, depths pixels
  SmallWithOnes<Conv2dWindows<T, Major::line>> windows;  // lines are cells
  SmallWeightGradients weights;
  int share, shares;  // pixels of each
  float* partial;     // [shares, filters, cells + 1] where there are several
  int weight_blocks;  // shares slowest
  SmallInputGradient<T> dx;
};

// One pixel and four channels of dx. shared: the filters' four, [r, s, k].
template <class T>
__device__ void few_channels_data(const FewChannelsBackward<T>& layer, int block, Pack<4>* filters) {
  const Conv2dSizes& d = layer.d;
  const int groups = ceil_div(d.c, 4), first = block % groups * 4, count = d.c - first < 4 ? d.c - first : 4;
  const int cells = d.r * d.s;
  for (int i = static_cast<int>(threadIdx.x); i < cells * d.k; i += small_threads)
    filters[i] = four_of(layer.w + (i % d.k * cells + i / d.k) * d.c + first, count);
  __syncthreads();
  const std::int64_t pixel = static_cast<std::int64_t>(block / groups) * small_threads + threadIdx.x;
  if (pixel >= d.inputs) return;
  const auto [line, j] = layer.by_w(static_cast<int>(pixel));
  const auto [image, i] = layer.by_h(line);
  Pack<4> sum = {};
  for (int r = 0; r < d.r; ++r) {
    const int down = i + d.pad_top - r;
    const auto [p, rest_down] = layer.by_stride(down < 0 ? 0 : down);
    if (down < 0 || rest_down != 0 || p >= d.p) continue;
    for (int s = 0; s < d.s; ++s) {
      const int right = j + d.pad_left - s;
      const auto [q, rest_right] = layer.by_stride(right < 0 ? 0 : right);
      if (right < 0 || rest_right != 0 || q >= d.q) continue;
      const std::int64_t at = ((static_cast<std::int64_t>(image) * d.p + p) * d.q + q) * d.k;
      const Pack<4>* const filter = filters + (r * d.s + s) * d.k;
      for (int k = 0; k < d.k; ++k) {
        const float dz = before_activation(layer.f, layer.y, at + k, layer.dy[at + k]);
        for (int c = 0; c < 4; ++c) sum.v[c] += dz * filter[k].v[c];
      }
    }
  }
  layer.dx.finish(pixel, first, count, sum);
}

template <class T>
__global__ void __launch_bounds__(small_threads, 1) few_channels_backward_kernel(FewChannelsBackward<T> layer) {
  __shared__ Pack<4> shared[small_shared];
  const int block = static_cast<int>(blockIdx.x);
  if (block < layer.weight_blocks) {
    const int columns = layer.weights.columns + 1, across = ceil_div(columns, small_tile);
    const int tile = block % across, split = block / across, begin = split * layer.share;
    const int end = layer.d.outputs - begin < layer.share ? layer.d.outputs : begin + layer.share;
    const Pack<4> sum = small_sums(layer.dz, layer.windows, 0, tile * small_tile, begin, end, shared);
    const SmallPlace at = small_place(0, tile * small_tile, layer.weights.rows, columns);
    if (layer.shares == 1) {
      layer.weights.finish(at, sum);
    } else {
      float* const to =
          layer.partial + (static_cast<std::int64_t>(split) * layer.weights.rows + at.row) * columns + at.column;
      for (int j = 0; j < 4; ++j)
        if (j < at.count) to[j] = sum.v[j];
    }
  } else {
    few_channels_data(layer, block - layer.weight_blocks, shared);
  }
}

// A warp an element: lane l adds up the shares l, l + 32, ….
__global__ void __launch_bounds__(block_threads)
    few_channels_join_kernel(const float* partial, int shares, SmallWeightGradients weights) {
  const int columns = weights.columns + 1, elements = weights.rows * columns;
  const int element = static_cast<int>(blockIdx.x) * (block_threads / warp_size) + static_cast<int>(threadIdx.x) / warp_size;
  if (element >= elements) return;  // all lanes of the warp
  float sum = 0.0f;
  for (int share = static_cast<int>(threadIdx.x) % warp_size; share < shares; share += warp_size)
    sum += partial[static_cast<std::int64_t>(share) * elements + element];
  sum = warp_sum(sum);
  if (threadIdx.x % warp_size == 0) weights.finish(element / columns, element % columns, sum);
}

// From longest_walk on the pixels are shared out: among as many blocks as fill the device with some waves, and more only where
// a share would be longer than that. What the shares leave is small beside dy, of which each has read up to 4,096 pixels.
constexpr int pixels_of_a_share = 512, shares_that_fill = 128;

int shares_wanted(int pixels) {
  const int limit = static_cast<int>(longest_walk);
  return pixels <= limit
             ? 1
             : std::max(std::min(ceil_div(pixels, pixels_of_a_share), shares_that_fill), ceil_div(pixels, limit));
}

}  // namespace

void few_channels_forward(const LaunchOn& on, const Conv2dShape& shape, ConstView x, ConstView w,
                          const Conv2dEpilogue& epilogue, View y) {
  with_activation_type(on, x.dtype, [&]<class T>(const LaunchOn& here, T) {
    const Conv2dSizes d(shape);
    GemmResult<T> result = conv2d_result<T>(d, epilogue, y);
    launch(few_channels_forward_kernel<T>,
           dim3(block_count(d.outputs, pixel_threads), static_cast<unsigned>(ceil_div(d.k, 4))), pixel_threads,
           static_cast<std::size_t>(d.r * d.s * d.c) * sizeof(Pack<4>), here, d, FastDivide(d.p), FastDivide(d.q), x.as<T>(),
           w.as<T>(), result);
  });
}

void conv2d_backward(Stream& stream, const Conv2dShape& shape, Activation f, ConstView x, ConstView w, ConstView y,
                     ConstView dy, Gradient dx, Gradient dw, Gradient db) {
  with_activation_type(stream, dy.dtype, [&]<class T>(const LaunchOn& on, T) {
    const Conv2dSizes d(shape);
    // Where the bias's gradient alone is wanted, there is no x either.
    const int cells = dw ? d.r * d.s * d.c : 0, tiles = ceil_div(cells + 1, small_tile);
    const SmallWeightGradients weights = small_weight_gradients(dw, db, d.k, cells);
    Conv2dWindows<T, Major::line> windows(windows_of(d), x.as<T>());
    windows.lines = cells;
    const int share = std::max(ceil_div(d.outputs, shares_wanted(d.outputs)), 1),
              shares = std::max(ceil_div(d.outputs, share), 1);
    const int elements = d.k * (cells + 1);
    float* const partial =
        shares == 1
            ? nullptr
            : static_cast<float*>(stream.workspace.borrow(static_cast<std::size_t>(shares) * elements * sizeof(float)));
    const int weight_blocks = dw || db ? tiles * shares : 0;
    const unsigned data_blocks = dx ? block_count(d.inputs, small_threads) * static_cast<unsigned>(ceil_div(d.c, 4)) : 0;
    launch(few_channels_backward_kernel<T>, static_cast<unsigned>(weight_blocks) + data_blocks, small_threads, 0, on,
           FewChannelsBackward<T>{d,
                                  FastDivide(d.h),
                                  FastDivide(d.w),
                                  FastDivide(d.stride),
                                  w.as<T>(),
                                  y.as<T>(),
                                  dy.as<T>(),
                                  f,
                                  {{dy.as<T>(), d.k, gemm_bytes<T>(d.k)}, y.as<T>(), f},
                                  {windows},
                                  weights,
                                  share,
                                  shares,
                                  partial,
                                  weight_blocks,
                                  {dx.view.as<T>(), dx.accumulate, d.inputs, d.c}});
    if (shares > 1 && weight_blocks > 0)
      launch(few_channels_join_kernel, block_count(elements, block_threads / warp_size), block_threads, 0, on, partial,
             shares, weights);
  });
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
