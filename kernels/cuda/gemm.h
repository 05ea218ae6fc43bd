// The matrix product that matmul and the three convolutions are made of: one 64×64 tile of C = A·B per block, float32.
//
// A tile of C: 256 threads as 16×16, each with 4×4 neighbouring elements in registers. A step along the inner dimension k
// brings 16 columns of A and 16 rows of B through shared memory, both stored k by k, so that a thread's 4 + 4 factors are
// two 16-byte reads that feed 16 multiply-adds. The next step's elements are on their way in registers meanwhile.
//
// What A and B *are* is an operand's business (a matrix, its transpose, the windows of an image …). An operand has
//   static constexpr bool depth_fastest   neighbours along k are neighbours in memory (else neighbours along its lines are):
//                                         decides which of the two a warp reads side by side
//   Line line(std::int64_t i)             what can be worked out once about row i of A (column i of B)
//   Step step(int k)                      what can be worked out once about position k
//   float at(Line, Step)                  the element; 0 outside
// Lines may lie beyond the end: at() answers 0 there. step() is called inside the given range of k only.
//
// Bytes per step and block: 2·64·16·4 = 8 KiB for 131 072 operations, 16 per byte: fp32 arithmetic bounds large products.
#pragma once

#include <cstdint>

#include "kernels/cuda/gpu.h"
#include "kernels/cuda/launch_config.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

inline constexpr int gemm_tile = 64;   // rows and columns of C per block
inline constexpr int gemm_depth = 16;  // of k per step
inline constexpr int gemm_threads = 256;
inline constexpr int gemm_own = 4;                                        // rows and columns per thread
inline constexpr int gemm_loads = gemm_tile * gemm_depth / gemm_threads;  // elements per thread, operand and step

// Shared memory of one block. Four floats of padding: rows stay aligned for float4, and stores along k meet in pairs only.
struct alignas(16) GemmTiles {
  float a[gemm_depth][gemm_tile + 4];
  float b[gemm_depth][gemm_tile + 4];
};

// Which rows and columns of C are this thread's.
struct GemmPlace {
  std::int64_t row, column;  // the first of four each
};
__device__ inline GemmPlace gemm_place(std::int64_t first_row, std::int64_t first_column) {
  const int thread = static_cast<int>(threadIdx.x);
  return {first_row + thread / 16 * gemm_own, first_column + thread % 16 * gemm_own};
}

// One operand's way from device memory through registers into shared memory.
template <class Operand>
class GemmStage {
 public:
  __device__ GemmStage(const Operand& operand, std::int64_t first_line) : operand_(operand) {
    for (int i = 0; i < line_count; ++i) lines_[i] = operand.line(first_line + line_of(i));
  }

  __device__ void load(int k, int end) {
    if constexpr (Operand::depth_fastest) {
      const bool inside = k + depth_of(0) < end;
      const auto step = operand_.step(inside ? k + depth_of(0) : k);
#pragma unroll
      for (int i = 0; i < gemm_loads; ++i) values_[i] = inside ? operand_.at(lines_[i], step) : 0.0f;
    } else {
#pragma unroll
      for (int i = 0; i < gemm_loads; ++i)
        values_[i] = k + depth_of(i) < end ? operand_.at(lines_[0], operand_.step(k + depth_of(i))) : 0.0f;
    }
  }

  __device__ void store(float (&tile)[gemm_depth][gemm_tile + 4]) const {
#pragma unroll
    for (int i = 0; i < gemm_loads; ++i) tile[depth_of(i)][line_of(i)] = values_[i];
  }

 private:
  static constexpr int line_count = Operand::depth_fastest ? gemm_loads : 1;

  __device__ static int line_of(int i) {
    const int thread = static_cast<int>(threadIdx.x);
    return Operand::depth_fastest ? thread / gemm_depth + i * (gemm_threads / gemm_depth) : thread % gemm_tile;
  }
  __device__ static int depth_of(int i) {
    const int thread = static_cast<int>(threadIdx.x);
    return Operand::depth_fastest ? thread % gemm_depth : thread / gemm_tile + i * (gemm_threads / gemm_tile);
  }

  const Operand& operand_;
  decltype(operand_.line(0)) lines_[line_count];
  float values_[gemm_loads];
};

// sum[i][j] = Σ_{begin ≤ k < end} A(row + i, k) · B(k, column + j) for this thread's place. All threads of the block call
// it.
template <class A, class B>
__device__ void gemm(const A& a, const B& b, std::int64_t first_row, std::int64_t first_column, int begin, int end,
                     GemmTiles& tiles, float (&sum)[gemm_own][gemm_own]) {
  const int row = static_cast<int>(threadIdx.x) / 16 * gemm_own, column = static_cast<int>(threadIdx.x) % 16 * gemm_own;
#pragma unroll
  for (int i = 0; i < gemm_own; ++i)
#pragma unroll
    for (int j = 0; j < gemm_own; ++j) sum[i][j] = 0.0f;

  GemmStage<A> stage_a(a, first_row);
  GemmStage<B> stage_b(b, first_column);
  if (begin < end) {
    stage_a.load(begin, end);
    stage_b.load(begin, end);
  }
  for (int k = begin; k < end; k += gemm_depth) {
    stage_a.store(tiles.a);
    stage_b.store(tiles.b);
    __syncthreads();
    if (end - k > gemm_depth) {
      stage_a.load(k + gemm_depth, end);
      stage_b.load(k + gemm_depth, end);
    }
#pragma unroll
    for (int d = 0; d < gemm_depth; ++d) {
      const float4 x = *reinterpret_cast<const float4*>(&tiles.a[d][row]);
      const float4 y = *reinterpret_cast<const float4*>(&tiles.b[d][column]);
      const float xs[gemm_own] = {x.x, x.y, x.z, x.w}, ys[gemm_own] = {y.x, y.y, y.z, y.w};
#pragma unroll
      for (int i = 0; i < gemm_own; ++i)
#pragma unroll
        for (int j = 0; j < gemm_own; ++j) sum[i][j] += xs[i] * ys[j];
    }
    __syncthreads();  // all have read the tiles: they may be overwritten
  }
}

// A matrix in memory. DepthFastest: element (line i, position k) is data[i·stride + k], otherwise data[k·stride + i].
template <bool DepthFastest>
struct GemmMatrix {
  static constexpr bool depth_fastest = DepthFastest;
  const float* data;
  std::int64_t lines, stride;

  using Line = std::int64_t;  // offset of the line's first element; negative: beyond the end
  using Step = std::int64_t;
  __device__ Line line(std::int64_t i) const { return i < lines ? (depth_fastest ? i * stride : i) : -1; }
  __device__ Step step(int k) const { return depth_fastest ? k : k * stride; }
  __device__ float at(Line line, Step step) const { return line < 0 ? 0.0f : __ldg(data + line + step); }
};

// What becomes of the sums: C[row, column] = f(sum + bias[column]), or C[row, column] += sum.
struct GemmResult {
  float* data;  // row-major
  std::int64_t rows, columns;
  const float* bias;  // null: none
  Activation activation;
  bool accumulate;

  __device__ void store(GemmPlace place, const float (&sum)[gemm_own][gemm_own]) const {
#pragma unroll
    for (int i = 0; i < gemm_own; ++i)
#pragma unroll
      for (int j = 0; j < gemm_own; ++j) {
        const std::int64_t row = place.row + i, column = place.column + j;
        if (row >= rows || column >= columns) continue;
        float& element = data[row * columns + column];
        float value = sum[i][j];
        if (accumulate) value += element;
        if (bias) value += __ldg(bias + column);
        if (activation == Activation::relu) value = value < 0.0f ? 0.0f : value;  // NaN stays NaN
        if (activation == Activation::sigmoid) value = 1.0f / (1.0f + expf(-value));
        element = value;
      }
  }
};

// Tiles along x, where a grid may be long, are rows; along y columns. Throws DeviceError where the columns are too many.
inline dim3 gemm_grid(std::int64_t rows, std::int64_t columns, unsigned layers = 1) {
  const std::int64_t across = ceil_div<std::int64_t>(columns, gemm_tile);
  if (across > 65535)
    throw DeviceError("a matrix product with " + std::to_string(columns) + " columns is too wide (at most 4194240)");
  return dim3(block_count(rows, gemm_tile), static_cast<unsigned>(across), layers);
}

// The inner dimension as an int. Throws DeviceError where it is too long (the sum would be worthless in float32 long
// before).
inline int gemm_inner(std::int64_t k) {
  if (k > 0x7fffffff - gemm_depth) throw DeviceError("a matrix product with an inner dimension of " + std::to_string(k));
  return static_cast<int>(k);
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
