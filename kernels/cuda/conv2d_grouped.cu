// Convolution in groups, depthwise above all: all three passes. C' = C/groups channels and K' = K/groups filters a group,
// g(k) = ⌊k/K'⌋ the group of filter k.
//
//   forward   y[n,p,q,k] = f(scale·Σ_{r,s,i} x[n, p·stride + r − pad_top, q·stride + s − pad_left, g(k)·C' + i] · w[k,r,s,i]
//                            + shift + residual)
//   data      dx[n,h,w,c] (+)= Σ over the windows that reach the cell and the K' filters of c's group of dy · w
//   weights   dw[k,r,s,i] (+)= Σ_{n,p,q} dy[n,p,q,k] · x[…, g(k)·C' + i]
//
// x, dx: [N,H,W,C], y, dy, residual: [N,P,Q,K], w: [K,R,S,C']: T, float or bf16; dw, scale, shift: float.
// Threads: forward and data: one per element of the result, channels fastest, so that a warp reads neighbouring channels of
// the same cells (in a depthwise layer; C' channels apart otherwise) and writes whole sectors. weights: the walk of
// columns.h over dy as a matrix [N·P·Q, K], for each cell of the filter (blockIdx.z); slices of rows leave partial sums in
// the workspace, a second launch adds them in their order. No atomics.
//
// FLOPs 2·N·P·Q·K·R·S·C'; bytes: a depthwise layer reads x and writes y, x comes R·S/stride² times from the caches; weights
// read dy and x from L2 once per cell of the filter. Depthwise 3×3: 18 FLOPs for 8 bytes (bf16: 4), bound by memory, in
// practice by loads. Groups of many channels would be matrix products, which these kernels are not.
// Left: packs of channels a thread; rows of x kept in shared memory from one window to the next.
#include "kernels/cuda/conv2d_grouped.h"

#include "kernels/cuda/activation.h"
#include "kernels/cuda/columns.h"
#include "kernels/cuda/fast_divide.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

constexpr std::int64_t partial_blocks = 528;

// Sizes in 32 bits. Throws DeviceError where pixels or channels are beyond them.
struct GroupedSizes {
  int h, w, c, k, r, s, p, q, stride, top, left, inner, outer;  // inner: C', outer: K'

  GroupedSizes(const Conv2dShape& d)
      : h(static_cast<int>(d.h)),
        w(static_cast<int>(d.w)),
        c(static_cast<int>(d.c)),
        k(static_cast<int>(d.k)),
        r(static_cast<int>(d.r)),
        s(static_cast<int>(d.s)),
        p(static_cast<int>(d.p)),
        q(static_cast<int>(d.q)),
        stride(static_cast<int>(d.stride)),
        top(static_cast<int>(d.pad_top)),
        left(static_cast<int>(d.pad_left)),
        inner(static_cast<int>(d.c / d.groups)),
        outer(static_cast<int>(d.k / d.groups)) {
    constexpr std::int64_t most = std::int64_t{1} << 30;
    if (d.n * d.h * d.w >= most || d.n * d.p * d.q >= most || d.c >= most || d.k >= most)
      throw DeviceError("a grouped convolution of 2^30 pixels or channels or more is too large for the GPU kernels");
  }
};

// Element i of an array [images, rows, columns, channels].
struct Place {
  std::int64_t n;
  int row, column, channel;
};
__device__ inline Place place_of(std::int64_t i, int rows, int columns, int channels) {
  const std::int64_t pixel = i / channels;
  const unsigned at = static_cast<unsigned>(pixel), row = at / static_cast<unsigned>(columns);
  return {row / static_cast<unsigned>(rows), static_cast<int>(row % static_cast<unsigned>(rows)),
          static_cast<int>(at % static_cast<unsigned>(columns)), static_cast<int>(i - pixel * channels)};
}

template <class T>
struct Forward {
  GroupedSizes d;
  const T *x, *w, *residual;
  const float *scale, *shift;
  T* y;
  Activation activation;

  template <int width>
  __device__ void operator()(std::int64_t i) const {
    const Place at = place_of(i, d.p, d.q, d.k);
    const int top = at.row * d.stride - d.top, left = at.column * d.stride - d.left;
    const T* const image = x + at.n * d.h * d.w * d.c + at.channel / d.outer * d.inner;
    const T* filter = w + static_cast<std::int64_t>(at.channel) * d.r * d.s * d.inner;
    float sum = 0.0f;
    for (int r = 0; r < d.r; ++r)
      for (int s = 0; s < d.s; ++s, filter += d.inner) {
        const int row = top + r, column = left + s;
        if (row < 0 || row >= d.h || column < 0 || column >= d.w) continue;
        const T* const cell = image + (static_cast<std::int64_t>(row) * d.w + column) * d.c;
        for (int j = 0; j < d.inner; ++j) sum += widened(cell[j]) * widened(filter[j]);
      }
    float v[4] = {sum * (scale ? scale[at.channel] : 1.0f) + (shift ? shift[at.channel] : 0.0f) +
                  (residual ? widened(residual[i]) : 0.0f)};
    activate(activation, v);
    y[i] = rounded<T>(v[0]);
  }
};

template <class T>
struct BackwardData {
  GroupedSizes d;
  const T *dy, *w;
  T* dx;
  bool accumulate;

  template <int width>
  __device__ void operator()(std::int64_t i) const {
    const Place at = place_of(i, d.h, d.w, d.c);
    const int group = at.channel / d.inner, j = at.channel - group * d.inner;
    const std::int64_t filter = static_cast<std::int64_t>(d.r) * d.s * d.inner;
    float sum = 0.0f;
    for (int r = 0; r < d.r; ++r)
      for (int s = 0; s < d.s; ++s) {
        const int down = at.row + d.top - r, right = at.column + d.left - s, p = down / d.stride, q = right / d.stride;
        if (down < 0 || right < 0 || p * d.stride != down || q * d.stride != right || p >= d.p || q >= d.q) continue;
        const T* const gradient = dy + ((at.n * d.p + p) * d.q + q) * d.k + group * d.outer;
        const T* const from = w + group * d.outer * filter + (r * d.s + s) * d.inner + j;
        for (int f = 0; f < d.outer; ++f) sum += widened(gradient[f]) * widened(from[f * filter]);
      }
    store(dx + i, Pack<1>{{sum}}, accumulate);
  }
};

// blockIdx.z: cell (r, s, i) of the filters. partials: [slices, cells, K].
template <class T>
__global__ void __launch_bounds__(block_threads)
    backward_weights_kernel(GroupedSizes d, ColumnWalk walk, FastDivide by_columns, FastDivide by_rows,
                            const T* __restrict__ x, const T* __restrict__ dy, float* __restrict__ partials) {
  __shared__ Pack<1> scratch[block_threads];
  const ColumnThread at = column_thread(walk, 1);
  const int cell = static_cast<int>(blockIdx.z), tap = cell / d.inner, r = tap / d.s, s = tap - r * d.s;
  Pack<1> sum = {};
  if (at.column < walk.columns) {
    const std::int64_t channel = at.column / d.outer * d.inner + cell - tap * d.inner;
    for (std::int64_t pixel = at.first_row; pixel < at.end; pixel += at.step) {
      const auto [line, q] = by_columns(static_cast<int>(pixel));
      const auto [n, p] = by_rows(line);
      const int row = p * d.stride + r - d.top, column = q * d.stride + s - d.left;
      if (row < 0 || row >= d.h || column < 0 || column >= d.w) continue;
      sum.v[0] += widened(dy[pixel * d.k + at.column]) *
                  widened(x[((static_cast<std::int64_t>(n) * d.h + row) * d.w + column) * d.c + channel]);
    }
  }
  sum = sum_down(sum, walk.lanes, scratch);
  if (in_top_row(walk, at))
    partials[(static_cast<std::int64_t>(blockIdx.x) * gridDim.z + blockIdx.z) * d.k + at.column] = sum.v[0];
}

// dw[k][cell] (+)= Σ over slices of partials[slice][cell][k].
struct Join {
  const float* partials;
  float* dw;
  int slices, k;
  std::int64_t cells;
  bool accumulate;

  template <int width>
  __device__ void operator()(std::int64_t i) const {
    const std::int64_t filter = i / cells, cell = i - filter * cells;
    float sum = 0.0f;
    for (int slice = 0; slice < slices; ++slice) sum += partials[(slice * cells + cell) * k + filter];
    store(dw + i, Pack<1>{{sum}}, accumulate);
  }
};

}  // namespace

void grouped_forward(const LaunchOn& outer, const Conv2dShape& shape, ConstView x, ConstView w,
                     const Conv2dEpilogue& epilogue, View y) {
  with_activation_type(outer, x.dtype, [&]<class T>(const LaunchOn& on, T) {
    each_element<1>(on, y.count(), true,
                    Forward<T>{shape, x.as<T>(), w.as<T>(), epilogue.residual.as<T>(), epilogue.scale.as<float>(),
                               epilogue.shift.as<float>(), y.as<T>(), epilogue.activation});
  });
}

void grouped_backward_data(const LaunchOn& outer, const Conv2dShape& shape, ConstView dy, ConstView w, Gradient dx) {
  with_activation_type(outer, dy.dtype, [&]<class T>(const LaunchOn& on, T) {
    each_element<1>(on, dx.view.count(), true,
                    BackwardData<T>{shape, dy.as<T>(), w.as<T>(), dx.view.as<T>(), dx.accumulate});
  });
}

void grouped_backward_weights(const LaunchOn& outer, const Conv2dShape& shape, ConstView x, ConstView dy, Gradient dw) {
  with_activation_type(outer, x.dtype, [&]<class T>(const LaunchOn& on, T) {
    const GroupedSizes d(shape);
    const std::int64_t cells = shape.r * shape.s * d.inner;
    const ColumnWalk walk = column_walk(shape.n * shape.p * shape.q, shape.k, 1, 8, partial_blocks);
    dim3 grid = walk.grid(1);
    grid.z = static_cast<unsigned>(cells);
    float* const partials = static_cast<float*>(
        on.stream.workspace.borrow(static_cast<std::size_t>(walk.slices() * cells * shape.k) * sizeof(float)));
    launch(backward_weights_kernel<T>, grid, block_threads, 0, on, d, walk, FastDivide(d.q), FastDivide(d.p), x.as<T>(),
           dy.as<T>(), partials);
    each_element<1>(on, dw.view.count(), true,
                    Join{partials, dw.view.as<float>(), walk.slices(), d.k, cells, dw.accumulate});
  });
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
