// Layer normalisation of each row of x: T [rows, C], float or bf16; gamma, beta, mean, rstd and their gradients: float.
//
//   forward   mean = Σ_j x/C, rstd = 1/√(Σ_j (x − mean)²/C + ε);  y = gamma·(x − mean)·rstd + beta
//   backward  g = gamma·dy, x̂ = (x − mean)·rstd:  dx (+)= rstd·(g − Σ_j g/C − x̂·Σ_j (g·x̂)/C);
//             dgamma (+)= Σ_i dy·x̂, dbeta (+)= Σ_i dy
//
// forward and dx: a warp per row; lane l takes columns l, l + 32, …, neighbours in a warp neighbouring addresses, and the
// sums go through shuffles. A row is looked at again for its variance and for y: it comes from L1 then.
// dgamma, dbeta: the walk of columns.h, slices of rows, partial sums [slices, 2, C] joined in their order. No atomics.
//
// Bytes per element, in units of T's size: forward 2, dx 3, dgamma and dbeta 2; about 8 and 15 FLOP. Bound by memory.
// Left: packs of 16 bytes a lane; rows kept in registers; several warps for long rows.
#include "kernels/cuda/columns.h"
#include "kernels/cuda/launchers.h"
#include "kernels/cuda/reduce.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

constexpr int rows_per_block = block_threads / warp_size;
constexpr std::int64_t partial_blocks = 528;

__device__ inline std::int64_t row_of_warp() {
  return static_cast<std::int64_t>(blockIdx.x) * rows_per_block + threadIdx.x / warp_size;
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    forward_kernel(float epsilon, const T* __restrict__ x, const float* __restrict__ gamma, const float* __restrict__ beta,
                   T* __restrict__ y, float* __restrict__ mean, float* __restrict__ rstd, std::int64_t rows,
                   std::int64_t columns) {
  const std::int64_t row = row_of_warp();
  if (row >= rows) return;  // all lanes of the warp
  const std::int64_t lane = threadIdx.x % warp_size, begin = row * columns;
  float sum = 0.0f, squares = 0.0f;
  for (std::int64_t j = lane; j < columns; j += warp_size) sum += widened(x[begin + j]);
  const float average = warp_sum(sum) / static_cast<float>(columns);
  for (std::int64_t j = lane; j < columns; j += warp_size) {
    const float d = widened(x[begin + j]) - average;
    squares += d * d;
  }
  const float r = 1.0f / sqrtf(warp_sum(squares) / static_cast<float>(columns) + epsilon);
  for (std::int64_t j = lane; j < columns; j += warp_size)
    y[begin + j] = rounded<T>((widened(x[begin + j]) - average) * (r * gamma[j]) + beta[j]);
  if (lane == 0) mean[row] = average, rstd[row] = r;
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    input_gradient_kernel(const T* __restrict__ x, const T* __restrict__ dy, const float* __restrict__ gamma,
                          const float* __restrict__ mean, const float* __restrict__ rstd, T* __restrict__ dx,
                          std::int64_t rows, std::int64_t columns, bool accumulate) {
  const std::int64_t row = row_of_warp();
  if (row >= rows) return;
  const std::int64_t lane = threadIdx.x % warp_size, begin = row * columns;
  const float average = mean[row], r = rstd[row], share = 1.0f / static_cast<float>(columns);
  float sum = 0.0f, product = 0.0f;
  for (std::int64_t j = lane; j < columns; j += warp_size) {
    const float g = gamma[j] * widened(dy[begin + j]);
    sum += g;
    product += g * ((widened(x[begin + j]) - average) * r);
  }
  sum = warp_sum(sum) * share;
  product = warp_sum(product) * share;
  for (std::int64_t j = lane; j < columns; j += warp_size) {
    const float normalised = (widened(x[begin + j]) - average) * r;
    const float gradient = r * (gamma[j] * widened(dy[begin + j]) - sum - normalised * product);
    store(dx + begin + j, Pack<1>{{gradient}}, accumulate);
  }
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    parameter_sums_kernel(ColumnWalk walk, const T* __restrict__ x, const T* __restrict__ dy, const float* __restrict__ mean,
                          const float* __restrict__ rstd, float* __restrict__ partials) {
  __shared__ Pack<1> scratch[block_threads];
  const ColumnThread at = column_thread(walk, 1);
  Pack<1> sum = {}, product = {};
  if (at.column < walk.columns)
    for (std::int64_t row = at.first_row; row < at.end; row += at.step) {
      const std::int64_t i = row * walk.columns + at.column;
      const float gradient = widened(dy[i]);
      sum.v[0] += gradient;
      product.v[0] += gradient * ((widened(x[i]) - mean[row]) * rstd[row]);
    }
  sum = sum_down(sum, walk.lanes, scratch);
  product = sum_down(product, walk.lanes, scratch);
  if (in_top_row(walk, at)) {
    float* const to = partials + blockIdx.x * 2 * walk.columns + at.column;
    to[0] = product.v[0], to[walk.columns] = sum.v[0];
  }
}

// Writes dgamma or dbeta, where it is wanted.
__device__ inline void finish(float* to, std::int64_t column, float total, bool accumulate) {
  if (to) store(to + column, Pack<1>{{total}}, accumulate);
}

__global__ void __launch_bounds__(block_threads)
    join_kernel(int slices, std::int64_t columns, const float* __restrict__ partials, float* dgamma, bool add_gamma,
                float* dbeta, bool add_beta) {
  __shared__ Pack<1> scratch[block_threads];
  const std::int64_t column = join_column();
  const float product = join_slices(partials, slices, 2 * columns, columns, scratch);
  const float sum = join_slices(partials + columns, slices, 2 * columns, columns, scratch);
  if (threadIdx.x < join_lanes && column < columns) {
    finish(dgamma, column, product, add_gamma);
    finish(dbeta, column, sum, add_beta);
  }
}

}  // namespace

void layer_norm_forward(Stream& stream, double epsilon, ConstView x, ConstView gamma, ConstView beta, View y, View mean,
                        View rstd) {
  with_activation_type(stream, x.dtype, [&]<class T>(const LaunchOn& on, T) {
    const std::int64_t columns = gamma.count(), rows = x.count() / columns;
    launch(forward_kernel<T>, block_count(rows, rows_per_block), block_threads, 0, on, static_cast<float>(epsilon),
           x.as<T>(), gamma.as<float>(), beta.as<float>(), y.as<T>(), mean.as<float>(), rstd.as<float>(), rows, columns);
  });
}

void layer_norm_backward(Stream& stream, ConstView x, ConstView dy, ConstView gamma, ConstView mean, ConstView rstd,
                         Gradient dx, Gradient dgamma, Gradient dbeta) {
  with_activation_type(stream, x.dtype, [&]<class T>(const LaunchOn& on, T) {
    const std::int64_t columns = gamma.count(), rows = x.count() / columns;
    if (dx)
      launch(input_gradient_kernel<T>, block_count(rows, rows_per_block), block_threads, 0, on, x.as<T>(), dy.as<T>(),
             gamma.as<float>(), mean.as<float>(), rstd.as<float>(), dx.view.as<T>(), rows, columns, dx.accumulate);
    if (!dgamma && !dbeta) return;
    const ColumnWalk walk = column_walk(rows, columns, 1, 8, partial_blocks);
    float* const partials = static_cast<float*>(
        on.stream.workspace.borrow(static_cast<std::size_t>(2 * walk.slices() * columns) * sizeof(float)));
    launch(parameter_sums_kernel<T>, walk.grid(1), block_threads, 0, on, walk, x.as<T>(), dy.as<T>(), mean.as<float>(),
           rstd.as<float>(), partials);
    launch(join_kernel, join_blocks(columns), block_threads, 0, on, walk.slices(), columns, partials,
           dgamma.view.as<float>(), dgamma.accumulate, dbeta.view.as<float>(), dbeta.accumulate);
  });
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
