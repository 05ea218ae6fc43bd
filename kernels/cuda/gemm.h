// The matrix product that matmul and the three convolutions are made of: one tile of C = A·B per block.
//
// Steps of the inner dimension go through a ring of stages in shared memory: while one is multiplied, the others are on
// their way (cp.async). One barrier per step: it says that the step to be multiplied has landed for all threads, and that
// all have done with the stage that is filled next. What a step holds: gemm_tile.h; how it comes there: gemm_operand.h; how
// it is multiplied: gemm_arithmetic.h; what becomes of the sums: gemm_epilogue.h.
//
// Where C has few tiles and the inner dimension is long, its range is split among blocks; the shares are written to the
// workspace and a second kernel adds them in their order. How many there are depends on the sizes alone: the same order of
// sums on every GPU. No atomics.
//
// Tiles (rows × columns of C): 128×128; where the columns would leave half of it empty, 256×64 (64×128 for gradients of
// filters); 64×64 for matrices. Tensor cores: blocks of 128 threads, four stages, up to 80 KiB of shared memory and 255
// registers, two or three blocks per multiprocessor. FMA: 128 or 256 threads, three stages, 50 KiB, 12 or 16 warps.
// Bytes per step and block: 64·(rows + columns). For bf16 and 128×128, 16 KiB for 2²⁰ operations: 64 a byte, so that 100
// TFLOP/s draw 1.6 TB/s from the L2 cache.
// Variants tried, by what ptxas and arithmetic say, on no GPU: warps of 32×64 (gemm_arithmetic.h: bound by shared memory);
// 256×64 for FMA (spills at two blocks). Left to a GPU: 128 bytes of depth per step, other numbers of stages, wgmma and TMA
// (sm_90a), which want a main loop of their own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/cuda/gemm_arithmetic.h"
#include "kernels/cuda/gemm_epilogue.h"
#include "kernels/cuda/gemm_operand.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/launch_config.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

// What a product consists of. A problem has part(z), of its type Part: one of several products that are done by one launch.
// (The type by name: in nvcc's pass for the host, a device function's deduced result is void.)
template <class A, class B, class Rows = SameRows>
struct GemmPart {
  using OperandA = A;
  using OperandB = B;
  using Part = GemmPart;

  A a;
  B b;
  int rows, inner;
  Rows row_of = {};

  __device__ const Part& part(int) const { return *this; }
};

namespace {

// sums = Σ_{begin ≤ k < end} A(row, k)·B(k, column). All threads of the block call it.
template <class Arithmetic, class Tile, bool chunked, class A, class B, class Sums>
__device__ void gemm(const A& a, const B& b, int first_row, int first_column, int begin, int end,
                     typename Arithmetic::Element* shared, Sums& sums) {
  using T = typename Arithmetic::Element;
  using LayoutA = typename Arithmetic::template Layout<A::major, Tile::rows>;
  using LayoutB = typename Arithmetic::template Layout<B::major, Tile::columns>;
  constexpr int stages = Arithmetic::stages, stage_size = LayoutA::size + LayoutB::size;
  constexpr int threads = Arithmetic::template Warps<Tile>::threads;
  const GemmCopy<A, LayoutA, T, Tile::rows, threads, chunked> copy_a(a, first_row);
  const GemmCopy<B, LayoutB, T, Tile::columns, threads, chunked> copy_b(b, first_column);

  const int steps = end > begin ? ceil_div(end - begin, gemm_depth<T>) : 0;
  const auto load = [&](int step, int stage) {
    if (step < steps) {
      T* const to = shared + stage * stage_size;
      copy_a.load(to, begin + step * gemm_depth<T>, end);
      copy_b.load(to + LayoutA::size, begin + step * gemm_depth<T>, end);
    }
    cp_async_commit();
  };
  for (int step = 0; step < stages - 1; ++step) load(step, step);
  int stage = 0, next = stages - 1;
  for (int step = 0; step < steps; ++step) {
    cp_async_wait<stages - 2>();
    __syncthreads();
    load(step + stages - 1, next);
    next = stage;
    const T* const from = shared + stage * stage_size;
    sums.template add<LayoutA, LayoutB>(from, from + LayoutA::size);
    stage = stage == stages - 1 ? 0 : stage + 1;
  }
  cp_async_wait<0>();
}

// Registers a thread may have: its sums, and what it needs besides.
template <class Arithmetic, class Tile>
inline constexpr int gemm_threads = Arithmetic::template Warps<Tile>::threads;
template <class Arithmetic, class Tile>
inline constexpr int gemm_registers = Tile::elements / gemm_threads<Arithmetic, Tile> == 128 ? 255
                                      : Tile::elements / 128 == 64                           ? 168
                                                                                             : 128;
template <class Arithmetic, class Tile>
inline constexpr int gemm_blocks = 65536 / (gemm_threads<Arithmetic, Tile> * gemm_registers<Arithmetic, Tile>);

// Block x is a tile, columns fastest: neighbouring blocks share their part of A, the larger operand. z: part, then split.
template <class Arithmetic, class Tile, bool chunked, class Problem>
__global__ void __launch_bounds__(gemm_threads<Arithmetic, Tile>, gemm_blocks<Arithmetic, Tile>)
    gemm_kernel(Problem problem, int splits, int share, GemmResult<typename Arithmetic::Element> result) {
  DYNAMIC_SHARED(unsigned char, shared);
  const int tiles_across = ceil_div(result.columns, Tile::columns);
  const int first_row = static_cast<int>(blockIdx.x) / tiles_across * Tile::rows;
  const int first_column = static_cast<int>(blockIdx.x) % tiles_across * Tile::columns;
  const int split = static_cast<int>(blockIdx.z) % splits;
  const auto& part = problem.part(static_cast<int>(blockIdx.z) / splits);
  const int begin = split * share, end = part.inner - begin < share ? part.inner : begin + share;

  typename Arithmetic::template Sums<Tile> sums;
  gemm<Arithmetic, Tile, chunked>(part.a, part.b, first_row, first_column, begin, end,
                                  reinterpret_cast<typename Arithmetic::Element*>(shared), sums);
  if (splits > 1) result.data = static_cast<float*>(result.data) + split * result.elements;
  result.rows = part.rows;
  gemm_store<Tile, gemm_threads<Arithmetic, Tile>>(sums, reinterpret_cast<float*>(shared), part.row_of, result, first_row,
                                                   first_column);
}

// How many shares a sum is split into: as many as fill 132 multiprocessors (an H100 or H200) with two blocks each, but at
// least 16 steps for each share and at most 64 MiB of workspace.
inline int split_count(std::int64_t blocks, std::int64_t steps, std::int64_t elements) {
  constexpr std::int64_t wanted = 2 * 132, steps_each = 16, workspace = (64 << 20) / sizeof(float);
  const std::int64_t splits = std::min(
      {wanted / std::max<std::int64_t>(blocks, 1), steps / steps_each, workspace / std::max<std::int64_t>(elements, 1)});
  return static_cast<int>(std::max<std::int64_t>(splits, 1));
}

// Computes a problem of `parts` products, each of at most `rows` rows and an inner dimension of at most `inner`.
// result.elements: all that is written, by all parts.
template <class Arithmetic, class Tile, bool chunked, class Problem>
void launch_gemm(Stream& stream, LaunchOn on, const Problem& problem, int parts, std::int64_t rows, int inner,
                 GemmResult<typename Arithmetic::Element> result) {
  using T = typename Arithmetic::Element;
  using Part = typename Problem::Part;
  constexpr int step_elements = Arithmetic::template Layout<Part::OperandA::major, Tile::rows>::size +
                                Arithmetic::template Layout<Part::OperandB::major, Tile::columns>::size;
  constexpr int threads = gemm_threads<Arithmetic, Tile>;
  constexpr std::size_t shared =
      std::max(Arithmetic::stages * step_elements * sizeof(T), gemm_store_floats<threads, Tile::rows> * sizeof(float));
  const std::int64_t tiles =
      ceil_div<std::int64_t>(rows, Tile::rows) * ceil_div<std::int64_t>(result.columns, Tile::columns);
  const int steps = std::max(ceil_div(inner, gemm_depth<T>), 1);
  const int share = ceil_div(steps, split_count(tiles * parts, steps, result.elements)) * gemm_depth<T>;
  const int splits = std::max(ceil_div(inner, share), 1);
  const dim3 grid(block_count(tiles, 1), 1, static_cast<unsigned>(parts * splits));
  if (splits == 1) {
    launch(gemm_kernel<Arithmetic, Tile, chunked, Problem>, grid, threads, shared, on, problem, splits, share, result);
    return;
  }
  GemmResult<T> shares{.rows = result.rows, .columns = result.columns, .elements = result.elements};
  shares.data = stream.workspace.borrow(static_cast<std::size_t>(splits * result.elements) * sizeof(float));
  shares.align();
  launch(gemm_kernel<Arithmetic, Tile, chunked, Problem>, grid, threads, shared, on, problem, splits, share, shares);
  launch(join_kernel<T>, block_count(result.elements, join_threads * (result.columns % 4 == 0 ? 4 : 1)), join_threads, 0, on,
         static_cast<const float*>(shares.data), splits, result.elements, result);
  if (!result.statistics) return;
  const int slices = ceil_div(result.rows, static_cast<int>(statistics_rows));
  launch(slice_statistics_kernel<T>, block_count(std::int64_t{slices} * ceil_div(result.columns, slice_columns), 1),
         slice_columns * slice_groups, slice_columns * slice_groups * sizeof(float), on, static_cast<const T*>(result.data),
         result.rows, result.columns, result.statistics);
}

// Calls body(arithmetic) with the arithmetic of the operands' type. Throws MissingKernel, named after the caller, where
// there is none.
template <class Body>
void with_arithmetic(const Stream& stream, const ConstView& operand, Body&& body, const char* op = __builtin_FUNCTION()) {
  if (operand.dtype == DType::bf16)
    body(Bf16Mma{});
  else if (operand.dtype == DType::f32 && stream.options.tf32)
    body(Tf32Mma{});
  else if (operand.dtype == DType::f32)
    body(Fma{});
  else
    throw MissingKernel(op, backend_name(stream), name_of(operand.dtype));
}

// Calls body(tile, chunked) with the square tile where `lines` fill it, the last one to half at least, and else with the one
// of 64. What is copied element by element has small tiles only.
template <class Square, class Narrow, class Small, class Body>
void with_tile(std::int64_t lines, bool chunked, Body&& body) {
  if (!chunked)
    body(Small{}, std::false_type{});
  else if (ceil_div<std::int64_t>(lines, 64) % 2 == 0)
    body(Square{}, std::true_type{});
  else
    body(Narrow{}, std::true_type{});
}

// Are these addresses and numbers of elements multiples of what is copied at a time?
template <class T, class... Counts>
bool chunks(const void* a, const void* b, Counts... counts) {
  const auto whole = [](std::int64_t count) { return count % gemm_chunk<T> == 0; };
  const auto aligned = [](const void* p) { return reinterpret_cast<std::uintptr_t>(p) % gemm_chunk_bytes == 0; };
  return aligned(a) && aligned(b) && (whole(counts) && ...);
}

}  // namespace

// A number of rows, columns or inner elements as an int. Throws DeviceError where there are too many.
inline int gemm_size(std::int64_t n) {
  if (n > 0x7fffff00) throw DeviceError("a matrix product with a dimension of " + std::to_string(n) + " is too large");
  return static_cast<int>(n);
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
