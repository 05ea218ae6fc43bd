// What becomes of the sums of a matrix product:  c = f(scale·sum + shift + residual)  or  c += sum, stored as float32 or
// bf16; and, for the convolution in front of a batch normalisation, what that needs to know of c.
//
// The sums lie scattered over the block's registers. They are staged in shared memory, 64 columns at a time, and taken from
// there four neighbouring columns by a thread, 64 columns by 16 threads: every access to device memory is of whole sectors.
//
// A product whose sum was split (gemm.h) writes each share as it is; join_kernel adds the shares in their order and does the
// rest.
#pragma once

#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/cuda/activation.h"
#include "kernels/cuda/gemm_arithmetic.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/launch_config.h"
#include "kernels/params.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

__device__ inline void load_four(float (&to)[4], const float* from) {
  const float4 v = *reinterpret_cast<const float4*>(from);
  to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
}
__device__ inline void load_four(float (&to)[4], const bf16* from) {
  const uint2 v = *reinterpret_cast<const uint2*>(from);
  to[0] = __uint_as_float(v.x << 16), to[1] = __uint_as_float(v.x & 0xffff0000u);
  to[2] = __uint_as_float(v.y << 16), to[3] = __uint_as_float(v.y & 0xffff0000u);
}
__device__ inline void store_four(float* to, const float (&v)[4]) {
  *reinterpret_cast<float4*>(to) = make_float4(v[0], v[1], v[2], v[3]);
}
__device__ inline void store_four(bf16* to, const float (&v)[4]) {
  *reinterpret_cast<uint2*>(to) = make_uint2(to_bf16x2(v[0], v[1]), to_bf16x2(v[2], v[3]));
}
__device__ inline float as_float(float x) { return x; }
__device__ inline float as_float(bf16 x) { return to_float(x); }
__device__ inline void set(float& to, float x) { to = x; }
__device__ inline void set(bf16& to, float x) { to = to_bf16(x); }
template <class T>
__device__ float rounded(float x) {
  T stored;
  set(stored, x);
  return as_float(stored);
}

// T is the operands' type. c is of T, or of float32 where `wide`.
template <class T>
struct GemmResult {
  void* data = nullptr;  // row-major
  int rows = 0, columns = 0;
  std::int64_t elements = 0;  // of the whole result
  bool wide = true;
  bool accumulate = false;
  const float* scale = nullptr;  // null: 1
  const float* shift = nullptr;  // null: 0
  const T* residual = nullptr;   // null: 0
  Activation activation = Activation::none;
  float* statistics = nullptr;  // null, or [slices of 128 rows, 2, columns]: mean, Σ(c − mean)²
  bool fours = false;           // four neighbouring columns may be read and written at once: call align()

  void align() {
    const auto aligned = [](const void* p, std::size_t element) {
      return reinterpret_cast<std::uintptr_t>(p) % (4 * element) == 0;
    };
    fours = columns % 4 == 0 && aligned(data, wide ? sizeof(float) : sizeof(T)) && aligned(residual, sizeof(T));
  }

  // Four columns' constants.
  struct Columns {
    float scale[4], shift[4];
  };
  __device__ Columns columns_from(int column) const {
    Columns c;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const bool inside = column + j < columns;
      c.scale[j] = scale && inside ? __ldg(scale + column + j) : 1.0f;
      c.shift[j] = shift && inside ? __ldg(shift + column + j) : 0.0f;
    }
    return c;
  }

  // What is added to four elements c[at …] from memory (`count` < 4 where the row ends): the residual, or c itself.
  __device__ void read_addend(std::int64_t at, int count, float (&v)[4]) const {
    if (accumulate && (std::is_same_v<T, float> || wide))
      read(static_cast<const float*>(data) + at, count, v);
    else if (accumulate)
      read(static_cast<const T*>(data) + at, count, v);
    else if (residual)
      read(residual + at, count, v);
    else
      v[0] = v[1] = v[2] = v[3] = 0.0f;
  }

  // Finishes the sums v, writes them, and leaves in v what was stored.
  __device__ void finish(std::int64_t at, int count, const Columns& constants, const float (&addend)[4],
                         float (&v)[4]) const {
#pragma unroll
    for (int j = 0; j < 4; ++j) v[j] = v[j] * constants.scale[j] + constants.shift[j] + addend[j];
    activate(activation, v);
    if (std::is_same_v<T, float> || wide) {
      write(static_cast<float*>(data) + at, count, v);
    } else {
      write(static_cast<T*>(data) + at, count, v);
#pragma unroll
      for (int j = 0; j < 4; ++j) v[j] = rounded<T>(v[j]);
    }
  }

 private:
  template <class In>
  __device__ void read(const In* from, int count, float (&v)[4]) const {
    if (fours) {
      load_four(v, from);
    } else {
#pragma unroll
      for (int j = 0; j < 4; ++j) v[j] = j < count ? as_float(from[j]) : 0.0f;
    }
  }
  template <class Out>
  __device__ void write(Out* to, int count, const float (&v)[4]) const {
    if (fours) {
      store_four(to, v);
    } else {
#pragma unroll
      for (int j = 0; j < 4; ++j)
        if (j < count) set(to[j], v[j]);
    }
  }
};

// Rows of C are rows of the result.
struct SameRows {
  __device__ std::int64_t operator()(int row) const { return row; }
};

// Floats of shared memory that gemm_store needs: the staged piece, and 64 numbers for each 16 threads.
template <int threads, int tile_rows>
inline constexpr int gemm_store_floats = (tile_rows < stage_rows ? tile_rows : stage_rows) * stage_stride
                                         + threads / 16 * stage_columns;

// Adds up, over the threads that have the same four columns, what each brings; in order of the rows. All threads call it.
template <int threads>
__device__ void add_over_rows(float* partial, float (&v)[4]) {
  const int own = static_cast<int>(threadIdx.x) / 16, column = static_cast<int>(threadIdx.x) % 16 * 4;
  __syncthreads();  // the last result has been read
  store_four(partial + own * stage_columns + column, v);
  __syncthreads();
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    v[j] = 0.0f;
    for (int g = 0; g < threads / 16; ++g) v[j] += partial[g * stage_columns + column + j];
  }
}

// Mean and Σ(value − mean)² of four columns of staged values, of which this thread has each `groups`-th row and `total` is
// the sum of those. All threads call it; to: where the means go, null: some other thread writes.
template <int threads>
__device__ void store_statistics(const float* staged, float* partial, int rows, float (&total)[4], float* to, int count,
                                 int columns) {
  constexpr int groups = threads / 16;
  const int group = static_cast<int>(threadIdx.x) / 16, place = static_cast<int>(threadIdx.x) % 16 * 4;
  add_over_rows<threads>(partial, total);
  float squares[4] = {};
#pragma unroll
  for (int j = 0; j < 4; ++j) total[j] /= static_cast<float>(rows);
  for (int row = group; row < rows; row += groups) {
    float v[4];
    load_four(v, staged + row * stage_stride + place);
#pragma unroll
    for (int j = 0; j < 4; ++j) squares[j] += (v[j] - total[j]) * (v[j] - total[j]);
  }
  add_over_rows<threads>(partial, squares);
#pragma unroll
  for (int j = 0; j < 4; ++j)
    if (group == 0 && j < count) to[j] = total[j], to[columns + j] = squares[j];
}

// Finishes the block's tile. All threads call it; `staged` may still be read by others when they do.
template <class Tile, int threads, class Sums, class Rows, class T>
__device__ void gemm_store(const Sums& sums, float* staged, const Rows& row_of, const GemmResult<T>& result, int first_row,
                           int first_column) {
  constexpr int groups = threads / 16, piece_rows = Tile::rows < stage_rows ? Tile::rows : stage_rows;
  // Rows whose addends are read before the first of them is written: they may be far away.
  constexpr int batch = threads == 128 ? 4 : 2;
  float* const partial = staged + piece_rows * stage_stride;
  const int group = static_cast<int>(threadIdx.x) / 16, place = static_cast<int>(threadIdx.x) % 16 * 4;
  for (int piece = 0; piece < Tile::elements; piece += piece_rows * stage_columns) {
    const int piece_row = piece / stage_columns % Tile::rows,
              piece_column = piece / (stage_columns * Tile::rows) * stage_columns;
    __syncthreads();
    sums.stage(staged, piece_row, piece_column);
    __syncthreads();
    const int row0 = first_row + piece_row, left = result.rows - row0, rows = left < piece_rows ? left : piece_rows;
    const int column = first_column + piece_column + place, count = result.columns - column;
    const auto constants = result.columns_from(column);
    float total[4] = {};
    for (int first = group; first < rows; first += batch * groups) {
      if (count <= 0) break;
      float addend[batch][4];
      std::int64_t at[batch];
#pragma unroll
      for (int i = 0; i < batch; ++i) {
        const int row = first + i * groups;
        if (row >= rows) continue;
        at[i] = row_of(row0 + row) * result.columns + column;
        result.read_addend(at[i], count, addend[i]);
      }
#pragma unroll
      for (int i = 0; i < batch; ++i) {
        const int row = first + i * groups;
        if (row >= rows) continue;
        float v[4];
        load_four(v, staged + row * stage_stride + place);
        result.finish(at[i], count, constants, addend[i], v);
        store_four(staged + row * stage_stride + place, v);
#pragma unroll
        for (int j = 0; j < 4; ++j) total[j] += v[j];
      }
    }
    if constexpr (piece_rows == statistics_rows)
      if (result.statistics && rows > 0)
        store_statistics<threads>(staged, partial, rows, total,
                                  result.statistics + std::int64_t{row0 / stage_rows} * 2 * result.columns + column, count,
                                  result.columns);
  }
}

namespace {

inline constexpr int join_threads = 256;

// c = what is made of Σ_z shares[z], z in order. Four neighbouring elements a thread; one where rows are not whole fours.
template <class T>
__global__ void __launch_bounds__(join_threads)
    join_kernel(const float* shares, int splits, std::int64_t elements, GemmResult<T> result) {
  const int width = result.columns % 4 == 0 ? 4 : 1;
  const std::int64_t at = (static_cast<std::int64_t>(blockIdx.x) * join_threads + threadIdx.x) * width;
  if (at >= elements) return;
  float v[4] = {};
  for (int z = 0; z < splits; ++z) {
    const float* const from = shares + z * elements + at;
    if (width == 4) {
      float more[4];
      load_four(more, from);
      for (int j = 0; j < 4; ++j) v[j] += more[j];
    } else {
      v[0] += *from;
    }
  }
  const int column = static_cast<int>(at % result.columns);
  float addend[4];
  result.read_addend(at, width, addend);
  result.finish(at, width, result.columns_from(column), addend, v);
}

inline constexpr int slice_columns = 32, slice_groups = 8;

// The statistics of c where no block has a slice in its hands: 32 columns of one slice per block, thread (column, group)
// takes each eighth row. c is read from where it was just written, twice.
template <class T>
__global__ void __launch_bounds__(slice_columns* slice_groups)
    slice_statistics_kernel(const T* c, int rows, int columns, float* statistics) {
  DYNAMIC_SHARED(float, partial);  // [groups][columns]
  const int across = ceil_div(columns, slice_columns);
  const int slice = static_cast<int>(blockIdx.x) / across, place = static_cast<int>(threadIdx.x) % slice_columns;
  const int column = static_cast<int>(blockIdx.x) % across * slice_columns + place;
  const int group = static_cast<int>(threadIdx.x) / slice_columns, first = slice * static_cast<int>(statistics_rows);
  const int own = rows - first < statistics_rows ? rows - first : static_cast<int>(statistics_rows);
  const auto value = [&](int row) { return as_float(c[static_cast<std::int64_t>(first + row) * columns + column]); };
  const auto add = [&](float v) {
    __syncthreads();
    partial[group * slice_columns + place] = v;
    __syncthreads();
    float sum = 0.0f;
    for (int g = 0; g < slice_groups; ++g) sum += partial[g * slice_columns + place];
    return sum;
  };
  float sum = 0.0f, squares = 0.0f;
  for (int row = group; row < own && column < columns; row += slice_groups) sum += value(row);
  const float mean = add(sum) / static_cast<float>(own);
  for (int row = group; row < own && column < columns; row += slice_groups)
    squares += (value(row) - mean) * (value(row) - mean);
  squares = add(squares);
  if (group == 0 && column < columns) {
    float* const to = statistics + static_cast<std::int64_t>(slice) * 2 * columns + column;
    to[0] = mean, to[columns] = squares;
  }
}

}  // namespace

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
