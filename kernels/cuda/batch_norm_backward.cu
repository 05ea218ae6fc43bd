// Batch normalisation, backward. x, y, dy, dx, dresidual: T [M, C], float or bf16; the rest: float [C].
//
//   dz = f'(y)·dy;  dresidual? (+)= dz;  dbeta? (+)= Σ dz;  dgamma? (+)= Σ dz·x̂,  x̂ = (x − mean)·rstd;
//   batch statistics:  dx? (+)= gamma·rstd·(dz − Σdz/M − x̂·Σ(dz·x̂)/M);   running ones:  dx? (+)= gamma·rstd·dz.
//
// Up to three launches, in the walk of columns.h:
//   sums    per slice of rows Σ dz and Σ dz·(x − mean), [slices, 2, C], into the workspace; where dresidual is overwritten, dz
//           to it, so that apply reads that in place of y and dy; else, with ReLU, a bit for each element: is y > 0? (a byte
//           for each pack, also into the workspace), so that apply reads that in place of y
//   join    2 columns a block: totals in slice order; times rstd; dgamma, dbeta
//   apply   dx and dresidual, with a column's coefficients in registers
// sums and join are left out where nothing needs them (frozen statistics and parameters). Where columns are short
// (few_rows) one launch does all. dx or dresidual may be dy: an element of dy is read by the thread that overwrites it,
// before it does. Fixed order, no atomics.
//
// Bytes per element, in units of T's size: sums 2 (3 with ReLU, 4 with dresidual too), apply 3; with ReLU alone another 1/16
// (float) to 1/8 in all for the bits; about 12 FLOP. Bound by memory.
// Left: no y at all where ReLU follows x alone, whose sign is that of gamma·x̂ + beta (2 + 3); it would take beta.
#include "kernels/cuda/columns.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

constexpr std::int64_t partial_blocks = 528;  // four for each multiprocessor of an H200; bounds the work of join
constexpr std::int64_t apply_blocks = 16 * 528;

template <class T>
struct Inputs {
  const T* x;
  const T* y;  // null where the activation is none
  const T* dy;
  const float* gamma;
  const float* mean;
  const float* rstd;
  const unsigned char* bits;  // in place of y: a byte for each pack, from its lowest bit on

  // Which of the elements from i on does the activation pass?
  template <int width>
  __device__ unsigned passed(std::int64_t i) const {
    if (bits) return bits[i / width];
    unsigned which = (1u << width) - 1;
    if (y) {
      const Pack<width> output = load<width>(y + i);
      for (int j = 0; j < width; ++j)
        if (!(output.v[j] > 0.0f)) which &= ~(1u << j);
    }
    return which;
  }
  // dz of the elements from i on.
  template <int width>
  __device__ Pack<width> dz(std::int64_t i, unsigned passed) const {
    Pack<width> result = load<width>(dy + i);
    for (int j = 0; j < width; ++j) result.v[j] = passed >> j & 1 ? result.v[j] : 0.0f;
    return result;
  }
};

// What sums leaves for apply besides; at most one of them.
template <class T>
struct Notes {
  T* dz;                // ?
  unsigned char* bits;  // ?
};

// Σ dz and Σ dz·(x − mean).
template <int width>
struct Sums {
  Pack<width> sum, product;
};

// Of the block's slice, valid in its top row. Every thread must call it.
template <int width, class T>
__device__ Sums<width> slice_sums(const ColumnWalk& walk, const ColumnThread& at, const Inputs<T>& in, const Notes<T>& notes,
                                  Pack<width>* scratch) {
  Pack<width> sum = {}, product = {};
  if (at.column < walk.columns) {
    const Pack<width> mean = load<width>(in.mean + at.column);
    for (std::int64_t row = at.first_row; row < at.end; row += at.step) {
      const std::int64_t i = row * walk.columns + at.column;
      const unsigned passed = in.template passed<width>(i);
      const Pack<width> value = load<width>(in.x + i), dz = in.template dz<width>(i, passed);
      for (int j = 0; j < width; ++j) {
        sum.v[j] += dz.v[j];
        product.v[j] += dz.v[j] * (value.v[j] - mean.v[j]);
      }
      if (notes.dz) store(notes.dz + i, dz);
      if (notes.bits) notes.bits[i / width] = static_cast<unsigned char>(passed);
    }
  }
  sum = sum_down(sum, walk.lanes, scratch);
  return {sum, sum_down(product, walk.lanes, scratch)};
}

template <int width, class T>
__global__ void __launch_bounds__(block_threads)
    sums_kernel(ColumnWalk walk, Inputs<T> in, Notes<T> notes, float* partials) {
  __shared__ Pack<width> scratch[block_threads];
  const ColumnThread at = column_thread(walk, width);
  const Sums<width> sums = slice_sums<width, T>(walk, at, in, notes, scratch);
  if (in_top_row(walk, at)) {
    float* const to = partials + 2 * blockIdx.x * walk.columns + at.column;
    store(to, sums.sum);
    store(to + walk.columns, sums.product);
  }
}

struct Totals {
  const float* rstd;
  float* sum;             // Σ dz      [C]
  float* product;         // Σ dz·x̂    [C]
  float *dgamma, *dbeta;  // ?
  bool accumulate_dgamma, accumulate_dbeta;

  __device__ void finish(std::int64_t column, float dz, float dz_x) const {
    const float normalised = dz_x * rstd[column];
    sum[column] = dz;
    product[column] = normalised;
    if (dbeta) store(dbeta + column, Pack<1>{{dz}}, accumulate_dbeta);
    if (dgamma) store(dgamma + column, Pack<1>{{normalised}}, accumulate_dgamma);
  }
};

__global__ void __launch_bounds__(block_threads)
    join_kernel(int slices, std::int64_t columns, const float* __restrict__ partials, Totals totals) {
  __shared__ Pack<1> scratch[block_threads];
  const std::int64_t column = join_column();
  const float sum = join_slices(partials, slices, 2 * columns, columns, scratch);
  const float product = join_slices(partials + columns, slices, 2 * columns, columns, scratch);
  if (threadIdx.x < join_lanes && column < columns) totals.finish(column, sum, product);
}

template <class T>
struct Outputs {
  T *dx, *dresidual;  // ?
  bool accumulate_dx, accumulate_dresidual;
};

// sums, products: the totals, null where the statistics are not the batch's.
template <int width, class T>
__device__ void apply_rows(const ColumnWalk& walk, const ColumnThread& at, const Inputs<T>& in, const float* sums,
                           const float* products, const Outputs<T>& out) {
  if (at.column >= walk.columns) return;

  // dx = factor·(dz − offset − slope·(x − mean))
  Pack<width> factor = {}, mean = {}, offset = {}, slope = {};
  if (out.dx) {
    const Pack<width> rstd = load<width>(in.rstd + at.column);
    factor = load<width>(in.gamma + at.column);
    for (int j = 0; j < width; ++j) factor.v[j] *= rstd.v[j];
    if (sums) {
      mean = load<width>(in.mean + at.column);
      offset = load<width>(sums + at.column);
      slope = load<width>(products + at.column);
      const float one_row = 1.0f / static_cast<float>(walk.rows);
      for (int j = 0; j < width; ++j) {
        offset.v[j] *= one_row;
        slope.v[j] *= rstd.v[j] * one_row;
      }
    }
  }
  for (std::int64_t row = at.first_row; row < at.end; row += at.step) {
    const std::int64_t i = row * walk.columns + at.column;
    const Pack<width> dz = in.template dz<width>(i, in.template passed<width>(i));
    if (out.dx) {
      Pack<width> dx = dz;
      if (sums) {
        const Pack<width> value = load<width>(in.x + i);
        for (int j = 0; j < width; ++j) dx.v[j] -= offset.v[j] + slope.v[j] * (value.v[j] - mean.v[j]);
      }
      for (int j = 0; j < width; ++j) dx.v[j] *= factor.v[j];
      store(out.dx + i, dx, out.accumulate_dx);
    }
    if (out.dresidual) store(out.dresidual + i, dz, out.accumulate_dresidual);
  }
}

template <int width, class T>
__global__ void __launch_bounds__(block_threads)
    apply_kernel(ColumnWalk walk, Inputs<T> in, const float* sums, const float* products, Outputs<T> out) {
  apply_rows<width>(walk, column_thread(walk, width), in, sums, products, out);
}

// Everything in one, for a walk of one slice. batch_statistics: does dx need the totals?
template <int width, class T>
__global__ void __launch_bounds__(block_threads)
    backward_kernel(ColumnWalk walk, Inputs<T> in, Totals totals, bool batch_statistics, Outputs<T> out) {
  __shared__ Pack<width> scratch[block_threads];
  const ColumnThread at = column_thread(walk, width);
  const Sums<width> sums = slice_sums<width, T>(walk, at, in, {}, scratch);
  if (in_top_row(walk, at))
    for (int j = 0; j < width; ++j) totals.finish(at.column + j, sums.sum.v[j], sums.product.v[j]);
  __syncthreads();  // apply reads the totals that finish has written, and may overwrite the dy that the sums are of
  apply_rows<width>(walk, at, in, batch_statistics ? totals.sum : nullptr, totals.product, out);
}

}  // namespace

void batch_norm_backward(Stream& stream, const BatchNormParams& params, bool batch_statistics, ConstView x, ConstView y,
                         ConstView dy, ConstView gamma, ConstView mean, ConstView rstd, Gradient dx, Gradient dresidual,
                         Gradient dgamma, Gradient dbeta) {
  with_activation_type(stream, dy.dtype, [&]<class T>(const LaunchOn& on, T) {
    Inputs<T> in{x.as<T>(),        params.activation == Activation::relu ? y.as<T>() : nullptr,
                 dy.as<T>(),       gamma.as<float>(),
                 mean.as<float>(), rstd.as<float>(),
                 nullptr};
    Outputs<T> out{dx.view.as<T>(), dresidual.view.as<T>(), dx.accumulate, dresidual.accumulate};

    const std::int64_t columns = dy.dims.last(), rows = columns == 0 ? 0 : dy.count() / columns;
    const bool packs = columns % pack_width<T> == 0 && aligned_for_packs<pack_width<T>>(in.x, in.y, in.dy, in.gamma, in.mean,
                                                                                        in.rstd, out.dx, out.dresidual);
    const int width = packs ? pack_width<T> : 1;

    const bool dx_needs_sums = out.dx && batch_statistics;
    const float *sums = nullptr, *products = nullptr;
    if (dx_needs_sums || dgamma || dbeta) {
      const ColumnWalk whole = whole_columns(rows, columns, width);
      const ColumnWalk walk = column_walk(rows, columns, width, 8, partial_blocks);
      const int slices = few_rows(whole) ? 0 : walk.slices();
      const std::int64_t floats = 2 * (slices + 1) * columns;
      T* const dz = out.accumulate_dresidual ? nullptr : out.dresidual;
      const bool noted = in.y && !dz && packs && slices > 0;
      auto* const totals_at = static_cast<float*>(stream.workspace.borrow(
          static_cast<std::size_t>(floats) * sizeof(float) + static_cast<std::size_t>(noted ? rows * columns / width : 0)));
      const Totals totals{
          in.rstd,           totals_at,       totals_at + columns, dgamma.view.as<float>(), dbeta.view.as<float>(),
          dgamma.accumulate, dbeta.accumulate};
      if (few_rows(whole)) {
        launch(packs ? backward_kernel<pack_width<T>, T> : backward_kernel<1, T>, whole.grid(width), block_threads, 0, on,
               whole, in, totals, batch_statistics, out);
        return;
      }
      float* partials = totals_at + 2 * columns;
      auto* const bits = noted ? reinterpret_cast<unsigned char*>(totals_at + floats) : nullptr;
      launch(packs ? sums_kernel<pack_width<T>, T> : sums_kernel<1, T>, walk.grid(width), block_threads, 0, on, walk, in,
             Notes<T>{dz, bits}, partials);
      if (dz) in.y = nullptr, in.dy = dz, out.dresidual = nullptr;
      in.bits = bits;
      launch(join_kernel, join_blocks(columns), block_threads, 0, on, slices, columns, partials, totals);
      if (dx_needs_sums) {
        sums = totals.sum;
        products = totals.product;
      }
    }
    if (out.dx || out.dresidual) {
      const ColumnWalk walk = column_walk(rows, columns, width, 4, apply_blocks);
      launch(packs ? apply_kernel<pack_width<T>, T> : apply_kernel<1, T>, walk.grid(width), block_threads, 0, on, walk, in,
             sums, products, out);
    }
  });
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
