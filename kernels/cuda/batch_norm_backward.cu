// Batch normalisation, backward. x, y, dy, dx, dresidual: [M, C]; the rest: [C].
//
//   dz = f'(y)·dy;  dresidual? (+)= dz;  dbeta? (+)= Σ dz;  dgamma? (+)= Σ dz·x̂,  x̂ = (x − mean)·rstd;
//   batch statistics:  dx? (+)= gamma·rstd·(dz − Σdz/M − x̂·Σ(dz·x̂)/M);   running ones:  dx? (+)= gamma·rstd·dz.
//
// Up to three launches, in the walk of columns.h:
//   sums    per slice of rows Σ dz and Σ dz·(x − mean), into the workspace
//   join    8 columns a block: totals in slice order; times rstd; dgamma, dbeta
//   apply   dx and dresidual, with a column's coefficients in registers
// sums and join are left out where nothing needs them (frozen statistics and parameters). dx or dresidual may be dy: an
// element of dy is read by the thread that overwrites it, before it does. Fixed order, no atomics.
//
// Bytes per element: sums 8 (12 with ReLU), apply 12 (16 with ReLU, 20 with dresidual); about 12 FLOP. Bound by memory.
#include "kernels/cuda/columns.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

constexpr std::int64_t partial_blocks = 528;  // four for each multiprocessor of an H200; bounds the work of join
constexpr std::int64_t apply_blocks = 16 * 528;

struct Inputs {
  const float* x;
  const float* y;  // null where the activation is none
  const float* dy;
  const float* gamma;
  const float* mean;
  const float* rstd;

  // dz of the elements from i on.
  template <int width>
  __device__ Pack<width> dz(std::int64_t i) const {
    Pack<width> result = load<width>(dy + i);
    if (y) {
      const Pack<width> output = load<width>(y + i);
      for (int j = 0; j < width; ++j) result.v[j] = output.v[j] > 0.0f ? result.v[j] : 0.0f;
    }
    return result;
  }
};

template <int width>
__global__ void __launch_bounds__(block_threads)
    sums_kernel(ColumnWalk walk, Inputs in, float* __restrict__ sums, float* __restrict__ products) {
  __shared__ Pack<width> scratch[block_threads];
  const ColumnThread at = column_thread(walk, width);
  const bool inside = at.column < walk.columns;

  Pack<width> sum = {}, product = {};
  if (inside) {
    const Pack<width> mean = load<width>(in.mean + at.column);
    for (std::int64_t row = at.first_row; row < at.end; row += at.step) {
      const std::int64_t i = row * walk.columns + at.column;
      const Pack<width> value = load<width>(in.x + i), dz = in.template dz<width>(i);
      for (int j = 0; j < width; ++j) {
        sum.v[j] += dz.v[j];
        product.v[j] += dz.v[j] * (value.v[j] - mean.v[j]);
      }
    }
  }
  sum = sum_down(sum, walk.lanes, scratch);
  product = sum_down(product, walk.lanes, scratch);
  if (threadIdx.x < static_cast<unsigned>(walk.lanes) && inside) {
    store(sums + blockIdx.x * walk.columns + at.column, sum);
    store(products + blockIdx.x * walk.columns + at.column, product);
  }
}

struct Totals {
  float* sum;             // Σ dz      [C]
  float* product;         // Σ dz·x̂    [C]
  float *dgamma, *dbeta;  // ?
  bool accumulate_dgamma, accumulate_dbeta;
};

__global__ void __launch_bounds__(block_threads)
    join_kernel(int slices, std::int64_t columns, const float* __restrict__ sums, const float* __restrict__ products,
                const float* __restrict__ rstd, Totals totals) {
  __shared__ Pack<1> scratch[block_threads];
  const std::int64_t column = join_column();
  const float sum = join_slices(sums, slices, columns, scratch);
  const float product = join_slices(products, slices, columns, scratch);
  if (threadIdx.x < join_lanes && column < columns) {
    const float normalised = product * rstd[column];
    totals.sum[column] = sum;
    totals.product[column] = normalised;
    if (totals.dbeta) store(totals.dbeta + column, Pack<1>{{sum}}, totals.accumulate_dbeta);
    if (totals.dgamma) store(totals.dgamma + column, Pack<1>{{normalised}}, totals.accumulate_dgamma);
  }
}

struct Outputs {
  float *dx, *dresidual;  // ?
  bool accumulate_dx, accumulate_dresidual;
};

// sums, products: the totals of join, null where the statistics are not the batch's.
template <int width>
__global__ void __launch_bounds__(block_threads)
    apply_kernel(ColumnWalk walk, Inputs in, const float* sums, const float* products, Outputs out) {
  const ColumnThread at = column_thread(walk, width);
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
    const Pack<width> dz = in.template dz<width>(i);
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

}  // namespace

void batch_norm_backward(Stream& stream, const BatchNormParams& params, bool batch_statistics, ConstView x, ConstView y,
                         ConstView dy, ConstView gamma, ConstView mean, ConstView rstd, Gradient dx, Gradient dresidual,
                         Gradient dgamma, Gradient dbeta) {
  require_float32(stream, dy);
  const Inputs in{x.as<float>(),    params.activation == Activation::relu ? y.as<float>() : nullptr,
                  dy.as<float>(),   gamma.as<float>(),
                  mean.as<float>(), rstd.as<float>()};
  const Outputs out{dx.view.as<float>(), dresidual.view.as<float>(), dx.accumulate, dresidual.accumulate};

  const std::int64_t columns = dy.dims.last(), rows = columns == 0 ? 0 : dy.count() / columns;
  const bool packs =
      columns % 4 == 0 && aligned_for_packs(in.x, in.y, in.dy, in.gamma, in.mean, in.rstd, out.dx, out.dresidual);
  const int width = packs ? 4 : 1;

  const bool dx_needs_sums = out.dx && batch_statistics;
  const float *sums = nullptr, *products = nullptr;
  if (dx_needs_sums || dgamma || dbeta) {
    const ColumnWalk walk = column_walk(rows, columns, width, 8, partial_blocks);
    const int slices = walk.slices();
    float* slice_sums =
        static_cast<float*>(stream.workspace.borrow(2 * static_cast<std::size_t>((slices + 1) * columns) * sizeof(float)));
    float* slice_products = slice_sums + slices * columns;
    float* total_sums = slice_products + slices * columns;
    float* total_products = total_sums + columns;
    launch(packs ? sums_kernel<4> : sums_kernel<1>, walk.grid(width), block_threads, 0, stream, walk, in, slice_sums,
           slice_products);
    launch(join_kernel, join_blocks(columns), block_threads, 0, stream, slices, columns, slice_sums, slice_products, in.rstd,
           Totals{total_sums, total_products, dgamma.view.as<float>(), dbeta.view.as<float>(), dgamma.accumulate,
                  dbeta.accumulate});
    if (dx_needs_sums) {
      sums = total_sums;
      products = total_products;
    }
  }
  if (out.dx || out.dresidual) {
    const ColumnWalk walk = column_walk(rows, columns, width, 4, apply_blocks);
    launch(packs ? apply_kernel<4> : apply_kernel<1>, walk.grid(width), block_threads, 0, stream, walk, in, sums, products,
           out);
  }
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
