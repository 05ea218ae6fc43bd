// Batch normalisation with residual and ReLU: training and inference. x, residual, y: [M, C]; the rest: [C].
//
//   training   mean = Σx/M, var = Σ(x − mean)²/M, rstd = 1/√(var + ε), running ← (1 − m)·running + m·batch;
//   both       y = f(gamma·(x − mean)·rstd + beta + residual?)
//
// Training takes three launches:
//   statistics  one block per slice of rows and tile of columns (columns.h): sums of d and d² with d = x − (the slice's
//   first
//               row), from which it leaves the slice's mean (less x[0, c]) and Σ(x − slice mean)² in the workspace
//   join        8 columns a block: the mean of the slices' means, weighted by their rows, then
//               Σ over slices of their sums of squares + rows·(slice mean − mean)²: the parallel form of the variance
//               (Chan, Golub, LeVeque 1983), as two plain sums without a division in the loop; running statistics
//   apply       the same walk over x, with a column's coefficients in registers
// No E[x²] − E[x]² anywhere: shifts and slice means make all that is squared of the order of the standard deviation. Means
// are kept less x[0, c] until the end, so a large common offset is rounded once. Fixed order, no atomics.
//
// Bytes per element: 4 (statistics) + 8, with residual 12 (apply); about 8 FLOP. Bound by memory.
// Shared memory of statistics 4 KB a block.
#include "kernels/cuda/columns.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

constexpr std::int64_t partial_blocks = 528;  // four for each multiprocessor of an H200; bounds the work of join
constexpr std::int64_t apply_blocks = 16 * 528;

// ---- statistics ----------------------------------------------------------------------------------------------------------

template <int width>
__global__ void __launch_bounds__(block_threads)
    statistics_kernel(ColumnWalk walk, const float* __restrict__ x, float* __restrict__ means, float* __restrict__ squares) {
  __shared__ Pack<width> scratch[block_threads];
  const ColumnThread at = column_thread(walk, width);
  const bool inside = at.column < walk.columns;
  const std::int64_t slice_begin = blockIdx.x * walk.rows_per_slice;

  Pack<width> shift = {}, sum = {}, sum_of_squares = {};
  if (inside) {
    shift = load<width>(x + slice_begin * walk.columns + at.column);
    for (std::int64_t row = at.first_row; row < at.end; row += at.step) {
      const Pack<width> value = load<width>(x + row * walk.columns + at.column);
      for (int j = 0; j < width; ++j) {
        const float d = value.v[j] - shift.v[j];
        sum.v[j] += d;
        sum_of_squares.v[j] += d * d;
      }
    }
  }
  sum = sum_down(sum, walk.lanes, scratch);
  sum_of_squares = sum_down(sum_of_squares, walk.lanes, scratch);
  if (threadIdx.x < static_cast<unsigned>(walk.lanes) && inside) {
    const float one_row = 1.0f / static_cast<float>(at.end - slice_begin);
    const Pack<width> origin = load<width>(x + at.column);
    for (int j = 0; j < width; ++j) {
      const float mean = sum.v[j] * one_row;
      sum_of_squares.v[j] = fmaxf(sum_of_squares.v[j] - sum.v[j] * mean, 0.0f);
      sum.v[j] = (shift.v[j] - origin.v[j]) + mean;
    }
    store(means + blockIdx.x * walk.columns + at.column, sum);
    store(squares + blockIdx.x * walk.columns + at.column, sum_of_squares);
  }
}

struct Join {
  float epsilon, keep, momentum;  // running ← keep·running + momentum·batch
  float unbias;                   // M/(M − 1) or 1
  float *running_mean, *running_var, *mean, *rstd;
};

__global__ void __launch_bounds__(block_threads)
    join_kernel(ColumnWalk walk, int slices, const float* __restrict__ x, const float* __restrict__ means,
                const float* __restrict__ squares, Join join) {
  __shared__ Pack<1> scratch[block_threads];
  __shared__ float mean_of[join_lanes];  // less x[0, c]
  const std::int64_t column = join_column();
  const int lane = static_cast<int>(threadIdx.x) % join_lanes, first = static_cast<int>(threadIdx.x) / join_lanes;
  const bool inside = column < walk.columns;
  const auto rows_of = [&](int slice) {
    return static_cast<float>(min(walk.rows_per_slice, walk.rows - slice * walk.rows_per_slice));
  };

  Pack<1> sum = {};
  if (inside)
    for (int slice = first; slice < slices; slice += join_rows)
      sum.v[0] += rows_of(slice) * means[slice * walk.columns + column];
  sum = sum_down(sum, join_lanes, scratch);
  if (first == 0) mean_of[lane] = sum.v[0] / static_cast<float>(walk.rows);
  __syncthreads();

  const float mean = mean_of[lane];
  sum.v[0] = 0.0f;
  if (inside)
    for (int slice = first; slice < slices; slice += join_rows) {
      const float d = means[slice * walk.columns + column] - mean;
      sum.v[0] += squares[slice * walk.columns + column] + rows_of(slice) * (d * d);
    }
  sum = sum_down(sum, join_lanes, scratch);
  if (first == 0 && inside) {
    const float batch_mean = x[column] + mean, variance = sum.v[0] / static_cast<float>(walk.rows);
    join.mean[column] = batch_mean;
    join.rstd[column] = 1.0f / sqrtf(variance + join.epsilon);
    join.running_mean[column] = join.keep * join.running_mean[column] + join.momentum * batch_mean;
    join.running_var[column] = join.keep * join.running_var[column] + join.momentum * (variance * join.unbias);
  }
}

// ---- apply ---------------------------------------------------------------------------------------------------------------

struct Apply {
  const float* x;
  const float* residual;  // ?
  const float* gamma;
  const float* beta;
  const float* mean;
  const float* rstd;      // training: 1/√(var + ε); inference: null, computed from
  const float* variance;  // this one
  float epsilon;
  bool relu;
  float* y;
  float* rstd_out;  // ? inference
};

template <int width>
__global__ void __launch_bounds__(block_threads) apply_kernel(ColumnWalk walk, Apply apply) {
  const float* __restrict__ const x = apply.x;
  const float* __restrict__ const residual = apply.residual;
  float* __restrict__ const y = apply.y;
  const ColumnThread at = column_thread(walk, width);
  if (at.column >= walk.columns) return;

  const Pack<width> mean = load<width>(apply.mean + at.column), beta = load<width>(apply.beta + at.column);
  Pack<width> rstd;
  if (apply.rstd) {
    rstd = load<width>(apply.rstd + at.column);
  } else {
    rstd = load<width>(apply.variance + at.column);
    for (int j = 0; j < width; ++j) rstd.v[j] = 1.0f / sqrtf(rstd.v[j] + apply.epsilon);
    if (apply.rstd_out && at.first_row == 0) store(apply.rstd_out + at.column, rstd);
  }
  Pack<width> factor = load<width>(apply.gamma + at.column);
  for (int j = 0; j < width; ++j) factor.v[j] *= rstd.v[j];

  for (std::int64_t row = at.first_row; row < at.end; row += at.step) {
    const std::int64_t i = row * walk.columns + at.column;
    Pack<width> value = load<width>(x + i), other = {};
    if (residual) other = load<width>(residual + i);
    for (int j = 0; j < width; ++j) {
      float& v = value.v[j];
      v = (v - mean.v[j]) * factor.v[j] + beta.v[j] + other.v[j];
      if (apply.relu) v = v < 0.0f ? 0.0f : v;  // a NaN stays
    }
    store(y + i, value);
  }
}

struct Matrix {
  std::int64_t rows, columns;
  int width;  // of its packs
};

Matrix matrix_of(const Apply& apply, const Dims& dims) {
  const std::int64_t columns = dims.last(), count = dims.count();
  const bool packs = columns % 4 == 0 && aligned_for_packs(apply.x, apply.residual, apply.gamma, apply.beta, apply.mean,
                                                           apply.rstd, apply.variance, apply.y, apply.rstd_out);
  return {columns == 0 ? 0 : count / columns, columns, packs ? 4 : 1};
}

void launch_apply(LaunchOn on, const Matrix& matrix, const Apply& apply) {
  const ColumnWalk walk = column_walk(matrix.rows, matrix.columns, matrix.width, 4, apply_blocks);
  launch(matrix.width == 4 ? apply_kernel<4> : apply_kernel<1>, walk.grid(matrix.width), block_threads, 0, on, walk, apply);
}

}  // namespace

void batch_norm_training(Stream& stream, const BatchNormParams& params, ConstView x, ConstView statistics,
                         ConstView residual, ConstView gamma, ConstView beta, View running_mean, View running_var, View y,
                         View mean, View rstd) {
  if (statistics) throw MissingKernel("batch_norm_training with given statistics", backend_name(stream));
  require_float32(stream, x);
  Apply apply{};
  apply.x = x.as<float>();
  apply.residual = residual.as<float>();
  apply.gamma = gamma.as<float>();
  apply.beta = beta.as<float>();
  apply.mean = mean.as<float>();
  apply.rstd = rstd.as<float>();
  apply.relu = params.activation == Activation::relu;
  apply.y = y.as<float>();
  const Matrix matrix = matrix_of(apply, x.dims);

  const ColumnWalk walk = column_walk(matrix.rows, matrix.columns, matrix.width, 8, partial_blocks);
  const int slices = walk.slices();
  float* means =
      static_cast<float*>(stream.workspace.borrow(2 * static_cast<std::size_t>(slices * matrix.columns) * sizeof(float)));
  float* squares = means + slices * matrix.columns;
  launch(matrix.width == 4 ? statistics_kernel<4> : statistics_kernel<1>, walk.grid(matrix.width), block_threads, 0, stream,
         walk, apply.x, means, squares);

  const double rows = static_cast<double>(matrix.rows);
  const Join join{static_cast<float>(params.epsilon),
                  static_cast<float>(1.0 - params.momentum),
                  static_cast<float>(params.momentum),
                  static_cast<float>(params.unbiased_variance && matrix.rows > 1 ? rows / (rows - 1.0) : 1.0),
                  running_mean.as<float>(),
                  running_var.as<float>(),
                  mean.as<float>(),
                  rstd.as<float>()};
  launch(join_kernel, join_blocks(matrix.columns), block_threads, 0, stream, walk, slices, apply.x, means, squares, join);
  launch_apply(stream, matrix, apply);
}

void batch_norm_inference(Stream& stream, const BatchNormParams& params, ConstView x, ConstView residual, ConstView gamma,
                          ConstView beta, ConstView running_mean, ConstView running_var, View y, View rstd) {
  require_float32(stream, x);
  Apply apply{};
  apply.x = x.as<float>();
  apply.residual = residual.as<float>();
  apply.gamma = gamma.as<float>();
  apply.beta = beta.as<float>();
  apply.mean = running_mean.as<float>();
  apply.variance = running_var.as<float>();
  apply.epsilon = static_cast<float>(params.epsilon);
  apply.relu = params.activation == Activation::relu;
  apply.y = y.as<float>();
  apply.rstd_out = rstd.as<float>();
  launch_apply(stream, matrix_of(apply, x.dims), apply);
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
