// Sums of all elements and of columns.
//
//   sum             y[0] (+)= alpha · Σ x                1 FLOP per element
//   sum_of_squares  y[0] (+)= alpha · Σ x²               2 FLOP
//   column_sums     y[j] (+)= Σ_i x[i,j]                 1 FLOP;  x: [rows, columns]
//
// x: T, float or bf16; y and all partial sums: float. Bytes per element: 4, bf16 2. Bound by memory. Two launches: blocks
// write partial sums to the workspace, a second, small kernel adds them up; a vector short enough for one block skips the
// first. The number of partial sums depends on the sizes alone, and every sum is a tree of fixed shape: no atomics, the same
// bits on every run.
//
// sum: thread t of the grid adds packs t, t + threads, … of 16 bytes (two packs in flight), then block_sum.
// column_sums: the walk of columns.h, at most 528 blocks (four for each multiprocessor of an H200), so that the second
// stage reads at most 528 partial rows; where columns are short (few_rows) the first stage is all.
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
template <class Term, class T>
__device__ float thread_sum(const T* x, std::int64_t count, bool packs, Term term) {
  constexpr int width = pack_width<T>;
  const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  const std::int64_t threads = static_cast<std::int64_t>(gridDim.x) * block_threads;
  Pack<width> sums[2] = {};
  std::int64_t done = 0;
  if (packs) {
    const std::int64_t whole = count / width;
    std::int64_t i = thread;
    for (; i + threads < whole; i += 2 * threads) {
      const Pack<width> a = load<width>(x + width * i), b = load<width>(x + width * (i + threads));
      for (int j = 0; j < width; ++j) {
        sums[0].v[j] += term(a.v[j]);
        sums[1].v[j] += term(b.v[j]);
      }
    }
    if (i < whole) {
      const Pack<width> a = load<width>(x + width * i);
      for (int j = 0; j < width; ++j) sums[0].v[j] += term(a.v[j]);
    }
    done = width * whole;
  }
  for (std::int64_t i = done + thread; i < count; i += threads) sums[1].v[0] += term(widened(x[i]));
  for (int j = 0; j < width; ++j) sums[0].v[j] += sums[1].v[j];
  for (int half = width / 2; half > 0; half /= 2)
    for (int j = 0; j < half; ++j) sums[0].v[j] += sums[0].v[j + half];
  return sums[0].v[0];
}

template <class Term, class T>
__global__ void __launch_bounds__(block_threads)
    partial_sums_kernel(const T* x, std::int64_t count, bool packs, float* partials) {
  __shared__ float scratch[max_warps];
  const float sum = block_sum(thread_sum(x, count, packs, Term()), scratch);
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

// One block. x: the vector itself, or its partial sums.
template <class Term, class T>
__global__ void __launch_bounds__(block_threads)
    total_kernel(const T* x, std::int64_t count, bool packs, float alpha, float* y, bool accumulate) {
  __shared__ float scratch[max_warps];
  const float sum = block_sum(thread_sum(x, count, packs, Term()), scratch);
  if (threadIdx.x == 0) y[0] = accumulate ? y[0] + alpha * sum : alpha * sum;
}

template <class Term>
void reduce(const LaunchOn& sum_on, double alpha, ConstView x, Gradient y) {
  with_activation_type(sum_on, x.dtype, [&]<class T>(const LaunchOn& on, T) {
    const std::int64_t count = x.count();
    const T* const from = x.as<T>();
    float* const to = y.view.as<float>();
    const bool packs = aligned_for_packs<pack_width<T>>(from);
    const float factor = static_cast<float>(alpha);
    if (count <= one_block_count) {
      launch(total_kernel<Term, T>, 1, block_threads, 0, on, from, count, packs, factor, to, y.accumulate);
      return;
    }
    const unsigned blocks = block_count(count, 2 * pack_width<T> * block_threads, partial_blocks);
    float* partials = static_cast<float*>(on.stream.workspace.borrow(blocks * sizeof(float)));
    launch(partial_sums_kernel<Term, T>, blocks, block_threads, 0, on, from, count, packs, partials);
    launch(total_kernel<Identity, float>, 1, block_threads, 0, on, partials, blocks, true, factor, to, y.accumulate);
  });
}

// y: partial sums [slices, columns], or with one slice the sums themselves.
template <int width, class T>
__global__ void __launch_bounds__(block_threads)
    slice_sums_kernel(ColumnWalk walk, const T* __restrict__ x, float* __restrict__ y, bool accumulate) {
  __shared__ Pack<width> scratch[block_threads];
  const ColumnThread at = column_thread(walk, width);
  const Pack<width> sum = slice_sum(walk, at, x, scratch);
  if (in_top_row(walk, at)) store(y + blockIdx.x * walk.columns + at.column, sum, accumulate);
}

__global__ void __launch_bounds__(block_threads)
    column_totals_kernel(const float* partials, int slices, std::int64_t columns, float* y, bool accumulate) {
  __shared__ Pack<1> scratch[block_threads];
  const std::int64_t column = join_column();
  const float sum = join_slices(partials, slices, columns, columns, scratch);
  if (threadIdx.x < join_lanes && column < columns) store(y + column, Pack<1>{{sum}}, accumulate);
}

}  // namespace

void sum(Stream& stream, double alpha, ConstView x, Gradient y) { reduce<Identity>(stream, alpha, x, y); }

void sum_of_squares(Stream& stream, double alpha, ConstView x, Gradient y) { reduce<Square>(stream, alpha, x, y); }

void column_sums(Stream& stream, ConstView x, Gradient y) {
  with_activation_type(stream, x.dtype, [&]<class T>(const LaunchOn& on, T) {
    const std::int64_t columns = x.dims.last(), rows = columns == 0 ? 0 : x.count() / columns;
    const T* const from = x.as<T>();
    float* const to = y.view.as<float>();
    const bool packs = columns % pack_width<T> == 0 && aligned_for_packs<pack_width<T>>(from, to);
    const int width = packs ? pack_width<T> : 1;
    const auto kernel = packs ? slice_sums_kernel<pack_width<T>, T> : slice_sums_kernel<1, T>;
    const ColumnWalk whole = whole_columns(rows, columns, width);
    if (few_rows(whole)) {
      launch(kernel, whole.grid(width), block_threads, 0, on, whole, from, to, y.accumulate);
      return;
    }
    const ColumnWalk walk = column_walk(rows, columns, width, 8, partial_blocks);
    const int slices = walk.slices();
    float* partials =
        static_cast<float*>(stream.workspace.borrow(static_cast<std::size_t>(slices * columns) * sizeof(float)));
    launch(kernel, walk.grid(width), block_threads, 0, on, walk, from, partials, false);
    launch(column_totals_kernel, join_blocks(columns), block_threads, 0, on, partials, slices, columns, to, y.accumulate);
  });
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
