// The way of the sums from the registers of a block, over which they lie scattered, to memory.
//
// They are staged in shared memory, piece by piece of the tile: up to 128 rows, and 64 columns or, where a warp's columns do
// not divide 64, all. From there a thread takes four neighbouring columns, 16 threads take 64: every access to device memory is
// of whole sectors. Staged rows lie 8 floats further apart, so that eight rows of an mma's sums touch different banks.
//
// A piece of 128 rows is a slice of the statistics that the batch normalisation behind a convolution needs, which are made
// from the staged values.
#pragma once

#include <cstdint>

#include "kernels/cuda/gemm_result.h"
#include "kernels/cuda/gemm_tile.h"
#include "kernels/cuda/gpu.h"
#include "kernels/params.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

// Rows of C are rows of the result.
struct SameRows {
  __device__ std::int64_t operator()(int row) const { return row; }
};

template <class Tile>
class GemmStore {
 public:
  // Shared memory that it needs: the staged piece, and partial sums of 64 columns for each row of threads.
  static constexpr int floats() { return piece_rows * stride + groups * across * 4; }

  // Finishes the block's tile. All threads call it; `shared` may still be read by others when they do.
  template <class Sums, class Rows, class T>
  __device__ static void store(const Sums& sums, float* shared, const Rows& row_of, const GemmResult<T>& result,
                               int first_row, int first_column) {
    for (int column = 0; column < Tile::columns; column += piece_columns)
      for (int row = 0; row < Tile::rows; row += piece_rows) {
        __syncthreads();
        if (Tile::row() >= row && Tile::row() < row + piece_rows && Tile::column() >= column &&
            Tile::column() < column + piece_columns)
          sums.stage(shared + (Tile::row() - row) * stride + Tile::column() - column, stride);
        __syncthreads();
        for (int part = 0; part < piece_columns; part += 4 * across)
          store_part(shared + part, shared + piece_rows * stride, row_of, result, first_row + row,
                     first_column + column + part);
      }
  }

 private:
  static constexpr int piece_rows = Tile::rows < 128 ? Tile::rows : 128;
  static constexpr int piece_columns = Tile::columns < 64 || 64 % Tile::warp_columns != 0 ? Tile::columns : 64;
  static constexpr int stride = piece_columns + 8;
  static constexpr int across = piece_columns < 64 ? piece_columns / 4 : 16, groups = Tile::threads / across;
  static_assert(piece_rows % Tile::warp_rows == 0 && piece_columns % (4 * across) == 0);
  // Rows whose addends are read before the first of them is written: they may be far away.
  static constexpr int batch = Tile::threads == 128 ? 4 : 2;

  __device__ static int group() { return static_cast<int>(threadIdx.x) / across; }
  __device__ static int place() { return static_cast<int>(threadIdx.x) % across * 4; }

  // 4·across columns of a piece.
  template <class Rows, class T>
  __device__ static void store_part(float* staged, float* partial, const Rows& row_of, const GemmResult<T>& result, int row0,
                                    int column0) {
    const int left = result.rows - row0, rows = left < piece_rows ? left : piece_rows;
    const int column = column0 + place(), count = result.columns - column;
    const auto constants = result.columns_from(column);
    Pack<4> total = {};
    for (int first = group(); first < rows; first += batch * groups) {
      if (count <= 0) break;
      Pack<4> addend[batch];
      std::int64_t at[batch];
#pragma unroll
      for (int i = 0; i < batch; ++i) {
        const int row = first + i * groups;
        if (row >= rows) continue;
        at[i] = row_of(row0 + row) * result.columns + column;
        addend[i] = result.addend(at[i], count);
      }
#pragma unroll
      for (int i = 0; i < batch; ++i) {
        const int row = first + i * groups;
        if (row >= rows) continue;
        float* const own = staged + row * stride + place();
        const Pack<4> stored = result.finish(at[i], count, constants, addend[i], load<4>(own));
        kernels::TESSERA_GPU_NAMESPACE::store(own, stored);
#pragma unroll
        for (int j = 0; j < 4; ++j) total.v[j] += stored.v[j];
      }
    }
    if constexpr (piece_rows == statistics_rows)
      if (result.statistics && rows > 0)
        store_statistics(staged, partial, rows, total,
                         result.statistics + std::int64_t{row0 / piece_rows} * 2 * result.columns + column, count,
                         result.columns);
  }

  // Mean and Σ(value − mean)² of four columns of staged values, of which this thread has each `groups`-th row and `total` is
  // the sum of those. All threads call it; to: where the means go.
  __device__ static void store_statistics(const float* staged, float* partial, int rows, Pack<4> mean, float* to, int count,
                                          int columns) {
    mean = over_groups(partial, mean);
    Pack<4> squares = {};
#pragma unroll
    for (int j = 0; j < 4; ++j) mean.v[j] /= static_cast<float>(rows);
    for (int row = group(); row < rows; row += groups) {
      const Pack<4> x = load<4>(staged + row * stride + place());
#pragma unroll
      for (int j = 0; j < 4; ++j) squares.v[j] += (x.v[j] - mean.v[j]) * (x.v[j] - mean.v[j]);
    }
    squares = over_groups(partial, squares);
#pragma unroll
    for (int j = 0; j < 4; ++j)
      if (group() == 0 && j < count) to[j] = mean.v[j], to[columns + j] = squares.v[j];
  }

  // Adds up, over the threads that have the same four columns, what each brings; in order of the rows. All threads call it.
  __device__ static Pack<4> over_groups(float* partial, const Pack<4>& x) {
    __syncthreads();  // the last result has been read
    kernels::TESSERA_GPU_NAMESPACE::store(partial + group() * across * 4 + place(), x);
    __syncthreads();
    Pack<4> sum = {};
#pragma unroll
    for (int j = 0; j < 4; ++j)
      for (int g = 0; g < groups; ++g) sum.v[j] += partial[g * across * 4 + place() + j];
    return sum;
  }
};

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
