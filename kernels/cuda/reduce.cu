// Sums of all elements and of columns.
//
//   sum             y[0] (+)= alpha · Σ x                4 bytes, 1 FLOP per element
//   sum_of_squares  y[0] (+)= alpha · Σ x²               4 bytes, 2 FLOP
//   column_sums     y[j] (+)= Σ_i x[i,j]                 4 bytes, 1 FLOP;  x: [rows, columns]
//
// Bound by memory. Two launches: blocks write partial sums to the workspace, a second, small kernel adds them up; a vector
// short enough for one block skips the first. The number of partial sums depends on the sizes alone, and every sum is a
// tree of fixed shape: no atomics, the same bits on every run.
//
// sum: thread t of the grid adds elements t, t + threads, … in packs of four (two packs in flight), then block_sum.
// column_sums: the walk of columns.h, at most 528 blocks (four for each multiprocessor of an H200), so that the second
// stage reads at most 528 partial rows.
#include "kernels/cuda/columns.h"
#include "kernels/cuda/launchers.h"
#include "kernels/cuda/reduce.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

constexpr std::int64_t one_block_count = 8192;  // up to here a second launch costs more than it saves
constexpr std::int64_t partial_blocks = 528;

struct Identity {
  __device__ float operator()(float x) const { return x; }
};
struct Square {
  __device__ float operator()(float x) const { return x * x; }
};

// This thread's share of Σ term(x).
template <class Term>
__device__ float thread_sum(const float* x, std::int64_t count, bool packs, Term term) {
  const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  const std::int64_t threads = static_cast<std::int64_t>(gridDim.x) * block_threads;
  Pack<4> sums[2] = {};
  std::int64_t done = 0;
  if (packs) {
    const std::int64_t whole = count / 4;
    std::int64_t i = thread;
    for (; i + threads < whole; i += 2 * threads) {
      const Pack<4> a = load<4>(x + 4 * i), b = load<4>(x + 4 * (i + threads));
      for (int j = 0; j < 4; ++j) {
        sums[0].v[j] += term(a.v[j]);
        sums[1].v[j] += term(b.v[j]);
      }
    }
    if (i < whole) {
      const Pack<4> a = load<4>(x + 4 * i);
      for (int j = 0; j < 4; ++j) sums[0].v[j] += term(a.v[j]);
    }
    done = 4 * whole;
  }
  for (std::int64_t i = done + thread; i < count; i += threads) sums[1].v[0] += term(x[i]);
  for (int j = 0; j < 4; ++j) sums[0].v[j] += sums[1].v[j];
  return (sums[0].v[0] + sums[0].v[1]) + (sums[0].v[2] + sums[0].v[3]);
}

template <class Term>
__global__ void __launch_bounds__(block_threads)
    partial_sums_kernel(const float* x, std::int64_t count, bool packs, float* partials) {
  __shared__ float scratch[max_warps];
  const float sum = block_sum(thread_sum(x, count, packs, Term()), scratch);
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

// One block. x: the vector itself, or its partial sums.
template <class Term>
__global__ void __launch_bounds__(block_threads)
    total_kernel(const float* x, std::int64_t count, bool packs, float alpha, float* y, bool accumulate) {
  __shared__ float scratch[max_warps];
  const float sum = block_sum(thread_sum(x, count, packs, Term()), scratch);
  if (threadIdx.x == 0) y[0] = accumulate ? y[0] + alpha * sum : alpha * sum;
}

template <class Term>
void reduce(Stream& stream, LaunchOn on, double alpha, ConstView x, Gradient y) {
  const std::int64_t count = x.count();
  const bool packs = aligned_for_packs(x.as<float>());
  const float factor = static_cast<float>(alpha);
  if (count <= one_block_count) {
    launch(total_kernel<Term>, 1, block_threads, 0, on, x.as<float>(), count, packs, factor, y.view.as<float>(),
           y.accumulate);
    return;
  }
  const unsigned blocks = block_count(count, 8 * block_threads, partial_blocks);
  float* partials = static_cast<float*>(stream.workspace.borrow(blocks * sizeof(float)));
  launch(partial_sums_kernel<Term>, blocks, block_threads, 0, on, x.as<float>(), count, packs, partials);
  launch(total_kernel<Identity>, 1, block_threads, 0, on, partials, blocks, true, factor, y.view.as<float>(), y.accumulate);
}

template <int width>
__global__ void __launch_bounds__(block_threads) column_partials_kernel(ColumnWalk walk, const float* x, float* partials) {
  __shared__ Pack<width> scratch[block_threads];
  const ColumnThread at = column_thread(walk, width);
  Pack<width> sum = {};
  if (at.column < walk.columns)
    for (std::int64_t row = at.first_row; row < at.end; row += at.step) {
      const Pack<width> value = load<width>(x + row * walk.columns + at.column);
      for (int j = 0; j < width; ++j) sum.v[j] += value.v[j];
    }
  sum = sum_down(sum, walk.lanes, scratch);
  if (threadIdx.x < static_cast<unsigned>(walk.lanes) && at.column < walk.columns)
    store(partials + blockIdx.x * walk.columns + at.column, sum);
}

__global__ void __launch_bounds__(block_threads)
    column_totals_kernel(const float* partials, int slices, std::int64_t columns, float* y, bool accumulate) {
  __shared__ Pack<1> scratch[block_threads];
  const std::int64_t column = join_column();
  const float sum = join_slices(partials, slices, columns, scratch);
  if (threadIdx.x < join_lanes && column < columns) store(y + column, Pack<1>{{sum}}, accumulate);
}

}  // namespace

void sum(Stream& stream, double alpha, ConstView x, Gradient y) {
  require_float32(stream, x);
  reduce<Identity>(stream, stream, alpha, x, y);
}

void sum_of_squares(Stream& stream, double alpha, ConstView x, Gradient y) {
  require_float32(stream, x);
  reduce<Square>(stream, stream, alpha, x, y);
}

void column_sums(Stream& stream, ConstView x, Gradient y) {
  require_float32(stream, x);
  const std::int64_t columns = x.dims.last(), rows = columns == 0 ? 0 : x.count() / columns;
  const bool packs = columns % 4 == 0 && aligned_for_packs(x.as<float>());
  const ColumnWalk walk = column_walk(rows, columns, packs ? 4 : 1, 8, partial_blocks);
  const int slices = walk.slices();
  float* partials = static_cast<float*>(stream.workspace.borrow(static_cast<std::size_t>(slices * columns) * sizeof(float)));
  launch(packs ? column_partials_kernel<4> : column_partials_kernel<1>, walk.grid(packs ? 4 : 1), block_threads, 0, stream,
         walk, x.as<float>(), partials);
  launch(column_totals_kernel, join_blocks(columns), block_threads, 0, stream, partials, slices, columns, y.view.as<float>(),
         y.accumulate);
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
