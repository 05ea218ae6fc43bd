// Products whose tiles are so few that the main loop of gemm.h starves: C = A·B in tiles of 16×16, whose inner dimension is
// shared out among the 16 warps of a block, in place of being split among blocks with a launch behind them to join the shares.
//
// Lane l of each warp has the sums of rows 2·(l / 4), + 1 and columns 4·(l % 4), …, + 3; warp v takes the depths v, v + 16, …,
// straight from memory. Then the warps' sums are added in their order, by 64 threads with four columns each: the same bits
// everywhere. Arithmetic is float32, whatever the operands.
// Six reads for eight multiply-adds, of which neighbouring lanes share most: bound by the L1 cache, and, small as it is, by
// latency; no GPU has timed it. Left: operands in shared memory, for products so large that gemm.h has tiles enough.
#pragma once

#include "kernels/cuda/gemm_operand.h"
#include "kernels/cuda/gemm_result.h"
#include "kernels/cuda/launch_config.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

inline constexpr int small_tile = 16, small_warps = 16, small_threads = 32 * small_warps;
inline constexpr int small_finishers = small_tile * small_tile / 4;  // threads that have sums in the end
inline constexpr int small_shared = small_warps * small_finishers;   // packs of four

// An operand (gemm_operand.h) by its values.
template <class Operand>
struct SmallValues {
  Operand of;

  using Line = typename Operand::Line;
  __device__ int lines() const { return of.lines; }
  __device__ Line line(int i) const { return of.line(i); }
  template <class Place>
  __device__ float value(const Line& line, const Place& place) const {
    const auto element = of.at(line, place);
    return element.inside ? widened(*element.from) : 0.0f;
  }
};

// dz = dy·f'(y) of one element, for an f whose gradient needs y alone. y: not read where f is none.
template <class T>
__device__ float before_activation(Activation f, const T* y, std::int64_t at, T dy) {
  if (f == Activation::relu) return activation_gradient<Activation::relu>(widened(y[at]), widened(dy));
  if (f == Activation::sigmoid) return activation_gradient<Activation::sigmoid>(widened(y[at]), widened(dy));
  return widened(dy);
}

// dz in place of dy.
template <class T, class Operand>
struct SmallGradients {
  Operand of;  // dy
  const T* y;  // not read where f is none
  Activation f;

  using Line = typename Operand::Line;
  __device__ int lines() const { return of.lines; }
  __device__ Line line(int i) const { return of.line(i); }
  template <class Place>
  __device__ float value(const Line& line, const Place& place) const {
    const auto element = of.at(line, place);
    return element.inside ? before_activation(f, y, element.from - of.data, *element.from) : 0.0f;
  }
};

// One line more, of ones: what the other operand's lines sum up to is a bias's gradient.
template <class Operand>
struct SmallWithOnes {
  Operand of;

  struct Line {
    typename Operand::Line line;
    bool one;
  };
  __device__ int lines() const { return of.lines + 1; }
  __device__ Line line(int i) const { return {of.line(i < of.lines ? i : 0), i == of.lines}; }
  template <class Place>
  __device__ float value(const Line& line, const Place& place) const {
    const auto element = of.at(line.line, place);
    return line.one ? 1.0f : element.inside ? widened(*element.from) : 0.0f;
  }
};

// Σ_{begin ≤ k < end} A(row, k)·B(k, column) over the tile at first_row, first_column, valid in the block's first
// small_finishers threads: the four of row first_row + t / 4 and columns first_column + 4·(t % 4), …. Beyond the last row or
// column they mean nothing. Every thread of the block must call it, once. shared: small_shared packs.
template <class A, class B>
__device__ Pack<4> small_sums(const A& a, const B& b, int first_row, int first_column, int begin, int end, Pack<4>* shared) {
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const int row = lane / 4 * 2, columns = lane % 4;
  const auto last = [](int i, int lines) { return i < lines ? i : lines - 1; };
  typename A::Line line_a[2];
  typename B::Line line_b[4];
  for (int i = 0; i < 2; ++i) line_a[i] = a.line(last(first_row + row + i, a.lines()));
  for (int j = 0; j < 4; ++j) line_b[j] = b.line(last(first_column + columns * 4 + j, b.lines()));
  auto step_a = a.of.step(begin + warp);
  auto step_b = b.of.step(begin + warp);
  const auto ahead_a = a.of.ahead(small_warps);
  const auto ahead_b = b.of.ahead(small_warps);
  Pack<4> sums[2] = {};
#pragma unroll 2
  for (int k = begin + warp; k < end; k += small_warps) {
    const auto place_a = a.of.place(step_a, true);
    const auto place_b = b.of.place(step_b, true);
    float x[2], w[4];
    for (int i = 0; i < 2; ++i) x[i] = a.value(line_a[i], place_a);
    for (int j = 0; j < 4; ++j) w[j] = b.value(line_b[j], place_b);
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 4; ++j) sums[i].v[j] += x[i] * w[j];
    a.of.advance(step_a, ahead_a);
    b.of.advance(step_b, ahead_b);
  }
  for (int i = 0; i < 2; ++i) shared[warp * small_finishers + (row + i) * 4 + columns] = sums[i];
  __syncthreads();
  Pack<4> sum = {};
  if (threadIdx.x < small_finishers)
    for (int w = 0; w < small_warps; ++w)
      for (int j = 0; j < 4; ++j) sum.v[j] += shared[w * small_finishers + static_cast<int>(threadIdx.x)].v[j];
  return sum;
}

// Where a thread's four sums lie: at row and first column, `count` of them inside (0: none).
struct SmallPlace {
  int row, column, count;
};
__device__ inline SmallPlace small_place(int first_row, int first_column, int rows, int columns) {
  const int row = first_row + static_cast<int>(threadIdx.x) / 4,
            column = first_column + static_cast<int>(threadIdx.x) % 4 * 4;
  const bool own = threadIdx.x < small_finishers && row < rows && column < columns;
  return {row, column, !own ? 0 : columns - column < 4 ? columns - column : 4};
}

template <class T>
__device__ void finish_small(const GemmResult<T>& result, const SmallPlace& at, const Pack<4>& sum) {
  if (at.count == 0) return;
  const std::int64_t element = static_cast<std::int64_t>(at.row) * result.columns + at.column;
  result.finish(element, at.count, result.columns_from(at.column), result.addend(element, at.count), sum);
}

// The gradients of a layer's weights [rows, columns] and bias [rows]: sums of columns + 1 columns, the last of them the bias's.
struct SmallWeightGradients {
  float *dw, *db;  // ?
  bool add_to_dw, add_to_db;
  int rows, columns;

  __device__ void finish(int row, int column, float sum) const {
    if (column < columns && dw)
      store(dw + static_cast<std::int64_t>(row) * columns + column, Pack<1>{{sum}}, add_to_dw);
    else if (column == columns && db)
      store(db + row, Pack<1>{{sum}}, add_to_db);
  }
  __device__ void finish(const SmallPlace& at, const Pack<4>& sum) const {
    for (int j = 0; j < 4; ++j)
      if (j < at.count) finish(at.row, at.column + j, sum.v[j]);
  }
};

// The gradient of a layer's input, [rows, columns] of T.
template <class T>
struct SmallInputGradient {
  T* dx;
  bool add;
  int rows, columns;

  // `count` of four sums, for neighbouring columns from here on.
  __device__ void finish(std::int64_t row, int column, int count, const Pack<4>& sum) const {
    T* const to = dx + row * columns + column;
    for (int j = 0; j < 4; ++j)
      if (j < count) store(to + j, Pack<1>{{sum.v[j]}}, add);
  }
};

inline SmallWeightGradients small_weight_gradients(const Gradient& dw, const Gradient& db, int rows, int columns) {
  return {dw.view.as<float>(), db.view.as<float>(), dw.accumulate, db.accumulate, rows, columns};
}

inline int small_tiles(int rows, int columns) { return ceil_div(rows, small_tile) * ceil_div(columns, small_tile); }

// Block x is a tile, columns fastest.
template <class A, class B, class T>
__global__ void __launch_bounds__(small_threads, 1) small_product_kernel(A a, B b, int inner, GemmResult<T> result) {
  DYNAMIC_SHARED(Pack<4>, shared);
  const int across = ceil_div(result.columns, small_tile);
  const int first_row = static_cast<int>(blockIdx.x) / across * small_tile,
            first_column = static_cast<int>(blockIdx.x) % across * small_tile;
  const Pack<4> sum = small_sums(a, b, first_row, first_column, 0, inner, shared);
  finish_small(result, small_place(first_row, first_column, result.rows, result.columns), sum);
}

template <class A, class B, class T>
void launch_small_product(LaunchOn on, const A& a, const B& b, int inner, const GemmResult<T>& result) {
  launch(small_product_kernel<SmallValues<A>, SmallValues<B>, T>,
         static_cast<unsigned>(small_tiles(result.rows, result.columns)), small_threads, small_shared * sizeof(Pack<4>), on,
         SmallValues<A>{a}, SmallValues<B>{b}, inner, result);
}

}  // namespace
}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
