// Walking a matrix [rows, columns] column by column: what column sums and batch normalisation share.
//
// The matrix is cut into slices of rows and tiles of columns; block (slice, tile) has 256 threads, `lanes` of them side by
// side along the columns and 256/lanes rows below one another. A thread keeps its columns (a pack of `width`) and goes
// down the rows of its slice. A warp thus reads whole, contiguous stretches of a row, or of several rows where a row is
// short; what belongs to a column (mean, gamma, …) is read once and stays in registers.
//
// The cut depends on the matrix alone, not on the device, so sums have the same order everywhere.
#pragma once

#include "kernels/cuda/elements.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

struct ColumnWalk {
  std::int64_t rows, columns;
  std::int64_t rows_per_slice;
  int lanes;  // a power of two, at most 32

  int tiles(int width) const { return static_cast<int>(ceil_div<std::int64_t>(columns / width, lanes)); }
  int slices() const { return static_cast<int>(ceil_div(rows, rows_per_slice)); }
  dim3 grid(int width) const { return dim3(static_cast<unsigned>(slices()), static_cast<unsigned>(tiles(width))); }
};

// The place of one thread in the walk.
struct ColumnThread {
  std::int64_t column;          // first of its columns; not below `columns`: this thread has none
  std::int64_t first_row, end;  // its rows: first_row, first_row + step, … below end
  int step;
};

// The lanes that the columns fill, at most a warp.
inline int column_lanes(std::int64_t columns, int width) {
  int lanes = 1;
  while (lanes < 32 && lanes * width < columns) lanes *= 2;
  return lanes;
}

// At most about `blocks` blocks, and at least `rows_per_thread` rows for a thread while there is more than one slice.
inline ColumnWalk column_walk(std::int64_t rows, std::int64_t columns, int width, int rows_per_thread, std::int64_t blocks) {
  ColumnWalk walk{rows, columns, 1, column_lanes(columns, width)};
  const std::int64_t rows_at_once = block_threads / walk.lanes;
  const std::int64_t most = ceil_div<std::int64_t>(blocks, walk.tiles(width));
  std::int64_t slices = rows / (rows_at_once * rows_per_thread);
  slices = slices < 1 ? 1 : slices > most ? most : slices;
  walk.rows_per_slice = ceil_div(ceil_div(rows, slices), rows_at_once) * rows_at_once;
  if (walk.rows_per_slice < 1) walk.rows_per_slice = 1;
  return walk;
}

// One slice: a block has its columns from top to bottom, so that their sums are complete within a launch. Tiles are made
// narrower for that, down to a sector of memory (32 bytes), to have more of them.
inline ColumnWalk whole_columns(std::int64_t rows, std::int64_t columns, int width) {
  ColumnWalk walk{rows, columns, rows < 1 ? 1 : rows, column_lanes(columns, width)};
  const int narrowest = width > 1 ? 2 : 8;
  while (walk.lanes > narrowest && rows * walk.lanes > 8 * block_threads) walk.lanes /= 2;
  return walk;
}

// Are they so short that one launch should beat several? A thread has at most 16 rows, and the block's second look at them
// finds them in its L1 cache. (The bound is an estimate.)
inline bool few_rows(const ColumnWalk& whole) { return whole.rows * whole.lanes <= 16 * block_threads; }

__device__ inline ColumnThread column_thread(const ColumnWalk& walk, int width) {
  const int thread = static_cast<int>(threadIdx.x);
  const std::int64_t slice_begin = blockIdx.x * walk.rows_per_slice, slice_end = slice_begin + walk.rows_per_slice;
  return {(static_cast<std::int64_t>(blockIdx.y) * walk.lanes + thread % walk.lanes) * width,
          slice_begin + thread / walk.lanes, slice_end < walk.rows ? slice_end : walk.rows, block_threads / walk.lanes};
}

// Has it columns, and their sums after sum_down?
__device__ inline bool in_top_row(const ColumnWalk& walk, const ColumnThread& at) {
  return threadIdx.x < static_cast<unsigned>(walk.lanes) && at.column < walk.columns;
}

// Sums the values of the threads below one another in a block with `lanes` threads side by side; the sum is valid in the
// top row (threadIdx.x < lanes). Every thread must call it. scratch: one pack per thread, in shared memory; after the last
// barrier a thread touches its own only, so the next call may use it at once.
template <int width>
__device__ inline Pack<width> sum_down(const Pack<width>& value, int lanes, Pack<width>* scratch) {
  const int thread = static_cast<int>(threadIdx.x);
  scratch[thread] = value;
  __syncthreads();
  for (int half = block_threads / 2; half >= lanes; half /= 2) {
    if (thread < half)
      for (int j = 0; j < width; ++j) scratch[thread].v[j] += scratch[thread + half].v[j];
    __syncthreads();
  }
  return scratch[thread];
}

// Σ over the rows of the block's slice, valid in its top row. Every thread must call it.
template <int width, class T>
__device__ Pack<width> slice_sum(const ColumnWalk& walk, const ColumnThread& at, const T* __restrict__ x,
                                 Pack<width>* scratch) {
  Pack<width> sum = {};
  if (at.column < walk.columns)
    for (std::int64_t row = at.first_row; row < at.end; row += at.step) {
      const Pack<width> value = load<width>(x + row * walk.columns + at.column);
      for (int j = 0; j < width; ++j) sum.v[j] += value.v[j];
    }
  return sum_down(sum, walk.lanes, scratch);
}

// ---- second stage: partial results [slices, columns] are joined by blocks of 2 columns × 128 threads ---------------------

// Few, so that there are many blocks and a thread has few slices: waiting for memory is what a join takes its time for.
inline constexpr int join_lanes = 2;
inline constexpr int join_rows = block_threads / join_lanes;

inline unsigned join_blocks(std::int64_t columns) { return block_count(columns, join_lanes); }

__device__ inline std::int64_t join_column() {
  return static_cast<std::int64_t>(blockIdx.x) * join_lanes + threadIdx.x % join_lanes;
}

// Σ over slices of partials[slice · stride + column], valid in the top row. Every thread must call it.
__device__ inline float join_slices(const float* partials, int slices, std::int64_t stride, std::int64_t columns,
                                    Pack<1>* scratch) {
  const std::int64_t column = join_column();
  Pack<1> sum{{0.0f}};
  if (column < columns)
    for (int slice = static_cast<int>(threadIdx.x) / join_lanes; slice < slices; slice += join_rows)
      sum.v[0] += partials[slice * stride + column];
  return sum_down(sum, join_lanes, scratch).v[0];
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
