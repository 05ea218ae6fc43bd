// Batch normalisation with residual and ReLU: training, inference, and folded into a convolution's epilogue.
// x, residual, y: T [M, C], float or bf16; the rest: float [C].
//
//   training   mean = Σx/M, var = Σ(x − mean)²/M, rstd = 1/√(var + ε), running ← (1 − m)·running + m·batch;
//   both       y = f(gamma·(x − mean)·rstd + beta + residual?)
//   fold       scale = gamma/√(running_var + ε), shift = beta + (bias? − running_mean)·scale
//   running    the running statistics alone, from a mean and rstd that are there
//
// Training in general takes three launches, all in the walk of columns.h:
//   statistics  one block per slice of rows and tile of columns: sums of d and d² with d = x − (the slice's first row), from
//               which it leaves the slice's mean and Σ(x − slice mean)², [slices, 2, C], in the workspace
//   join        2 columns a block: with d = slice mean − first slice's mean, the sums of rows·d and of squares + rows·d²
//               give mean and variance (the parallel form of Chan, Golub, LeVeque 1983, shifted); running statistics
//   apply       the same walk over x, with a column's coefficients in registers
// Given statistics take the place of the first: they have the same form. Where columns are short (few_rows) one launch does
// all: a block has whole columns, so what it needs is complete at a barrier.
// No E[x²] − E[x]² anywhere: shifts make all that is squared of the order of the standard deviation. Fixed order, no
// atomics.
//
// Bytes per element of x, in units of T's size: 1 (statistics) + 2, with residual 3 (apply); 2 or 3 in one launch, where the
// second look at x is served by the cache. About 8 FLOP. Bound by memory.
// Left: rows kept in registers between the two looks; the join inside apply, which would read all partial results per block.
// Shared memory: one pack of floats a thread, 4 KB a block for float and 8 KB for bf16.
#include "kernels/cuda/columns.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

constexpr std::int64_t partial_blocks = 528;  // four for each multiprocessor of an H200; bounds the work of join
constexpr std::int64_t apply_blocks = 16 * 528;

// ---- statistics ----------------------------------------------------------------------------------------------------------

template <int width>
struct Moments {
  Pack<width> mean, squares;  // Σ(x − mean)²
};

// Of the block's slice, valid in its top row. Every thread must call it.
template <int width, class T>
__device__ Moments<width> slice_moments(const ColumnWalk& walk, const ColumnThread& at, const T* __restrict__ x,
                                        Pack<width>* scratch) {
  const std::int64_t begin = blockIdx.x * walk.rows_per_slice;
  Pack<width> shift = {}, sum = {}, squares = {};
  if (at.column < walk.columns) {
    shift = load<width>(x + begin * walk.columns + at.column);
    for (std::int64_t row = at.first_row; row < at.end; row += at.step) {
      const Pack<width> value = load<width>(x + row * walk.columns + at.column);
      for (int j = 0; j < width; ++j) {
        const float d = value.v[j] - shift.v[j];
        sum.v[j] += d;
        squares.v[j] += d * d;
      }
    }
  }
  sum = sum_down(sum, walk.lanes, scratch);
  squares = sum_down(squares, walk.lanes, scratch);
  const float one_row = 1.0f / static_cast<float>(at.end - begin);
  Moments<width> moments;
  for (int j = 0; j < width; ++j) {
    const float mean = sum.v[j] * one_row;
    moments.mean.v[j] = shift.v[j] + mean;
    moments.squares.v[j] = fmaxf(squares.v[j] - sum.v[j] * mean, 0.0f);
  }
  return moments;
}

template <int width, class T>
__global__ void __launch_bounds__(block_threads) statistics_kernel(ColumnWalk walk, const T* x, float* statistics) {
  __shared__ Pack<width> scratch[block_threads];
  const ColumnThread at = column_thread(walk, width);
  const Moments<width> moments = slice_moments(walk, at, x, scratch);
  if (in_top_row(walk, at)) {
    float* const to = statistics + 2 * blockIdx.x * walk.columns + at.column;
    store(to, moments.mean);
    store(to + walk.columns, moments.squares);
  }
}

// What training leaves behind, besides y.
struct Batch {
  float rows;
  float epsilon, keep, momentum;  // running ← keep·running + momentum·batch
  float unbias;                   // M/(M − 1) or 1
  float *running_mean, *running_var, *mean, *rstd;

  __device__ void run_on(std::int64_t column, float batch_mean, float variance) const {
    running_mean[column] = keep * running_mean[column] + momentum * batch_mean;
    running_var[column] = keep * running_var[column] + momentum * (variance * unbias);
  }

  __device__ void finish(std::int64_t column, float batch_mean, float squares) const {
    const float variance = squares / rows;
    mean[column] = batch_mean;
    rstd[column] = 1.0f / sqrtf(variance + epsilon);
    run_on(column, batch_mean, variance);
  }
};

Batch batch_of(const BatchNormParams& params, std::int64_t matrix_rows, View running_mean, View running_var) {
  const double rows = static_cast<double>(matrix_rows);
  Batch batch{};
  batch.rows = static_cast<float>(rows);
  batch.epsilon = static_cast<float>(params.epsilon);
  batch.keep = static_cast<float>(1.0 - params.momentum);
  batch.momentum = static_cast<float>(params.momentum);
  batch.unbias = static_cast<float>(params.unbiased_variance && matrix_rows > 1 ? rows / (rows - 1.0) : 1.0);
  batch.running_mean = running_mean.as<float>();
  batch.running_var = running_var.as<float>();
  return batch;
}

// statistics: [slices, 2, columns], of slices of rows_per_slice rows. The first slice's mean, the shift, differs from the
// mean by less than √slices standard deviations, so that what the last subtraction cancels is below slices·ε.
__global__ void __launch_bounds__(block_threads)
    join_kernel(const float* __restrict__ statistics, std::int64_t rows, std::int64_t rows_per_slice, std::int64_t columns,
                Batch batch) {
  __shared__ Pack<1> scratch[block_threads];
  const std::int64_t column = join_column();
  const int first = static_cast<int>(threadIdx.x) / join_lanes;
  const int slices = static_cast<int>(ceil_div(rows, rows_per_slice));
  float shift = 0.0f;
  Pack<1> sum = {}, squares = {};
  if (column < columns) {
    shift = statistics[column];
    for (int slice = first; slice < slices; slice += join_rows) {
      const float* const from = statistics + 2 * slice * columns + column;
      const float rows_here = static_cast<float>(min(rows_per_slice, rows - slice * rows_per_slice));
      const float d = from[0] - shift;
      sum.v[0] += rows_here * d;
      squares.v[0] += from[columns] + rows_here * (d * d);
    }
  }
  sum = sum_down(sum, join_lanes, scratch);
  squares = sum_down(squares, join_lanes, scratch);
  if (first == 0 && column < columns) {
    const float mean = sum.v[0] / batch.rows;
    batch.finish(column, shift + mean, fmaxf(squares.v[0] - sum.v[0] * mean, 0.0f));
  }
}

// ---- apply ---------------------------------------------------------------------------------------------------------------

template <class T>
struct Apply {
  const T* x;
  const T* residual;  // ?
  const float* gamma;
  const float* beta;
  const float* mean;
  const float* rstd;      // training: 1/√(var + ε); inference: null, computed from
  const float* variance;  // this one
  float epsilon;
  bool relu;
  T* y;
  float* rstd_out;  // ? inference
};

template <int width, class T>
__device__ void apply_rows(const ColumnWalk& walk, const ColumnThread& at, const Apply<T>& apply) {
  if (at.column >= walk.columns) return;
  const T* __restrict__ const x = apply.x;
  const T* __restrict__ const residual = apply.residual;
  T* __restrict__ const y = apply.y;

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

template <int width, class T>
__global__ void __launch_bounds__(block_threads) apply_kernel(ColumnWalk walk, Apply<T> apply) {
  apply_rows<width>(walk, column_thread(walk, width), apply);
}

// Statistics and apply in one, for a walk of one slice.
template <int width, class T>
__global__ void __launch_bounds__(block_threads) training_kernel(ColumnWalk walk, Batch batch, Apply<T> apply) {
  __shared__ Pack<width> scratch[block_threads];
  const ColumnThread at = column_thread(walk, width);
  const Moments<width> moments = slice_moments(walk, at, apply.x, scratch);
  if (in_top_row(walk, at))
    for (int j = 0; j < width; ++j) batch.finish(at.column + j, moments.mean.v[j], moments.squares.v[j]);
  __syncthreads();  // apply reads the mean and rstd that finish has written
  apply_rows<width>(walk, at, apply);
}

struct Matrix {
  std::int64_t rows, columns;
  int width;  // of its packs
};

template <class T>
Matrix matrix_of(const Apply<T>& apply, const Dims& dims) {
  constexpr int width = pack_width<T>;
  const std::int64_t columns = dims.last(), count = dims.count();
  const bool packs =
      columns % width == 0 && aligned_for_packs<width>(apply.x, apply.residual, apply.gamma, apply.beta, apply.mean,
                                                       apply.rstd, apply.variance, apply.y, apply.rstd_out);
  return {columns == 0 ? 0 : count / columns, columns, packs ? width : 1};
}

template <class T>
void launch_apply(const LaunchOn& on, const Matrix& matrix, const Apply<T>& apply) {
  const ColumnWalk walk = column_walk(matrix.rows, matrix.columns, matrix.width, 4, apply_blocks);
  launch(matrix.width > 1 ? apply_kernel<pack_width<T>, T> : apply_kernel<1, T>, walk.grid(matrix.width), block_threads, 0,
         on, walk, apply);
}

// ---- fold ----------------------------------------------------------------------------------------------------------------

struct Fold {
  const float* bias;  // ?
  const float *gamma, *beta, *mean, *variance;
  float epsilon;
  float *scale, *shift;

  template <int width>
  __device__ void operator()(std::int64_t i) const {
    const Pack<width> m = load<width>(mean + i), v = load<width>(variance + i);
    Pack<width> factor = load<width>(gamma + i), offset = load<width>(beta + i), from = {};
    if (bias) from = load<width>(bias + i);
    for (int j = 0; j < width; ++j) {
      factor.v[j] /= sqrtf(v.v[j] + epsilon);
      offset.v[j] += (from.v[j] - m.v[j]) * factor.v[j];
    }
    store(scale + i, factor);
    store(shift + i, offset);
  }
};

// ---- running statistics --------------------------------------------------------------------------------------------------

struct Running {
  Batch batch;  // its own mean and rstd are not there
  const float *mean, *rstd;

  template <int width>
  __device__ void operator()(std::int64_t column) const {
    batch.run_on(column, mean[column], fmaxf(1.0f / (rstd[column] * rstd[column]) - batch.epsilon, 0.0f));
  }
};

}  // namespace

void batch_norm_training(Stream& stream, const BatchNormParams& params, ConstView x, ConstView statistics,
                         ConstView residual, ConstView gamma, ConstView beta, View running_mean, View running_var, View y,
                         View mean, View rstd) {
  with_activation_type(stream, x.dtype, [&]<class T>(const LaunchOn& on, T) {
    Apply<T> apply{};
    apply.x = x.as<T>();
    apply.residual = residual.as<T>();
    apply.gamma = gamma.as<float>();
    apply.beta = beta.as<float>();
    apply.mean = mean.as<float>();
    apply.rstd = rstd.as<float>();
    apply.relu = params.activation == Activation::relu;
    apply.y = y.as<T>();
    const Matrix matrix = matrix_of(apply, x.dims);
    const bool packs = matrix.width > 1;

    Batch batch = batch_of(params, matrix.rows, running_mean, running_var);
    batch.mean = mean.as<float>();
    batch.rstd = rstd.as<float>();

    const ColumnWalk whole = whole_columns(matrix.rows, matrix.columns, matrix.width);
    if (!statistics && few_rows(whole)) {
      launch(packs ? training_kernel<pack_width<T>, T> : training_kernel<1, T>, whole.grid(matrix.width), block_threads, 0,
             on, whole, batch, apply);
      return;
    }
    const float* slices = statistics.as<float>();
    std::int64_t rows_per_slice = statistics_rows;
    if (!slices) {
      const ColumnWalk walk = column_walk(matrix.rows, matrix.columns, matrix.width, 8, partial_blocks);
      const std::int64_t floats = 2 * walk.slices() * matrix.columns;
      float* own = static_cast<float*>(stream.workspace.borrow(static_cast<std::size_t>(floats) * sizeof(float)));
      launch(packs ? statistics_kernel<pack_width<T>, T> : statistics_kernel<1, T>, walk.grid(matrix.width), block_threads,
             0, on, walk, apply.x, own);
      slices = own;
      rows_per_slice = walk.rows_per_slice;
    }
    launch(join_kernel, join_blocks(matrix.columns), block_threads, 0, on, slices, matrix.rows, rows_per_slice,
           matrix.columns, batch);
    launch_apply(on, matrix, apply);
  });
}

void batch_norm_inference(Stream& stream, const BatchNormParams& params, ConstView x, ConstView residual, ConstView gamma,
                          ConstView beta, ConstView running_mean, ConstView running_var, View y, View rstd) {
  with_activation_type(stream, x.dtype, [&]<class T>(const LaunchOn& on, T) {
    Apply<T> apply{};
    apply.x = x.as<T>();
    apply.residual = residual.as<T>();
    apply.gamma = gamma.as<float>();
    apply.beta = beta.as<float>();
    apply.mean = running_mean.as<float>();
    apply.variance = running_var.as<float>();
    apply.epsilon = static_cast<float>(params.epsilon);
    apply.relu = params.activation == Activation::relu;
    apply.y = y.as<T>();
    apply.rstd_out = rstd.as<float>();
    launch_apply(on, matrix_of(apply, x.dims), apply);
  });
}

void batch_norm_fold(Stream& stream, const BatchNormParams& params, ConstView bias, ConstView gamma, ConstView beta,
                     ConstView running_mean, ConstView running_var, View scale, View shift) {
  require_float32(stream, gamma);
  const Fold fold{bias.as<float>(),         gamma.as<float>(),       beta.as<float>(),
                  running_mean.as<float>(), running_var.as<float>(), static_cast<float>(params.epsilon),
                  scale.as<float>(),        shift.as<float>()};
  each_element<4>(stream, gamma.count(),
                  aligned_for_packs<4>(fold.bias, fold.gamma, fold.beta, fold.mean, fold.variance, fold.scale, fold.shift),
                  fold);
}

void batch_norm_running(Stream& stream, const BatchNormParams& params, std::int64_t rows, ConstView mean, ConstView rstd,
                        View running_mean, View running_var) {
  require_float32(stream, mean);
  each_element<1>(stream, mean.count(), true,
                  Running{batch_of(params, rows, running_mean, running_var), mean.as<float>(), rstd.as<float>()});
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
