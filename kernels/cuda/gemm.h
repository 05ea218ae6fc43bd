// The matrix product that matmul and the three convolutions are made of: one tile of C = A·B per block.
//
// Steps of the inner dimension go through a ring of stages in shared memory: while one is multiplied, the others are on
// their way (cp.async). One barrier per step: it says that the step to be multiplied has landed for all threads, and that
// all have done with the stage that is filled next. What the operands are: gemm_operand.h; which thread copies what of them:
// gemm_copy.h; how a step lies in shared memory: gemm_tile.h; how it is multiplied, and which tiles there are:
// gemm_arithmetic.h; what becomes of the sums: gemm_result.h, gemm_store.h.
//
// Where C has few tiles and the inner dimension is long, its range is split among blocks; the shares are written to the
// workspace and a second kernel adds them in their order (gemm_join.h). How many there are depends on the sizes alone: the
// same order of sums on every GPU. No atomics.
//
// The main loop neither divides nor branches: what it costs beside the multiplications is counted in the machine code by
// scripts/count-sass, and scripts/check-cuda holds every kernel to its limit.
// Bytes per step and block: 64·(rows + columns). For bf16 and 256×128, 24 KiB for 2²¹ operations: 85 a byte, so that 400
// TFLOP/s draw 4.7 TB/s from the L2 cache, less what L1 keeps of windows that overlap.
// Left to a GPU: 128 bytes of depth per step, other numbers of stages, wgmma and TMA (sm_90a), which want a main loop of
// their own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/cuda/gemm_arithmetic.h"
#include "kernels/cuda/gemm_copy.h"
#include "kernels/cuda/gemm_join.h"
#include "kernels/cuda/gemm_operand.h"
#include "kernels/cuda/gemm_result.h"
#include "kernels/cuda/gemm_store.h"
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

// Which operands are copied in whole chunks.
template <bool a_, bool b_>
struct GemmChunks {
  static constexpr bool a = a_, b = b_;
};

// sums = Σ_{begin ≤ k < end} A(row, k)·B(k, column). All threads of the block call it.
template <class Arithmetic, class Tile, class Chunks, class LayoutA, class LayoutB, class A, class B, class Sums>
__device__ void gemm(const A& a, const B& b, int first_row, int first_column, int begin, int end,
                     typename Arithmetic::Element* shared, Sums& sums) {
  using T = typename Arithmetic::Element;
  constexpr int stages = Arithmetic::stages, stage_size = LayoutA::size + LayoutB::size;
  GemmCopy<A, LayoutA, T, Tile::rows, Tile::threads, Chunks::a> copy_a(a, first_row, begin);
  GemmCopy<B, LayoutB, T, Tile::columns, Tile::threads, Chunks::b> copy_b(b, first_column, begin);

  int left = end - begin;  // depths not yet copied; beyond the end zeros are, which nobody reads
  const auto load = [&](int stage) {
    copy_a.load(shared + stage, left);
    copy_b.load(shared + stage + LayoutA::size, left);
    cp_async_commit();
    left -= gemm_depth<T>;
  };
  for (int s = 0; s < stages - 1; ++s) load(s * stage_size);
  int from = 0, to = (stages - 1) * stage_size;
  while (left > -(stages - 1) * gemm_depth<T>) {
    cp_async_wait<stages - 2>();
    __syncthreads();
    load(to);
    sums.add(shared + from, shared + from + LayoutA::size);
    to = from;
    from = from == (stages - 1) * stage_size ? 0 : from + stage_size;
  }
  cp_async_wait<0>();
}

// Registers a thread may have: its sums, and what it needs besides.
template <class Tile>
inline constexpr int gemm_registers = Tile::elements / Tile::threads > 64                            ? 255
                                      : Tile::elements / Tile::threads == 64 && Tile::threads == 128 ? 168
                                                                                                     : 128;
template <class Tile>
inline constexpr int gemm_blocks = 65536 / (Tile::threads * gemm_registers<Tile>);

// Block x is a tile, columns fastest: neighbouring blocks share their part of A, the larger operand. z: part, then split.
template <class Arithmetic, class Tile, class Chunks, class Problem>
__global__ void __launch_bounds__(Tile::threads, gemm_blocks<Tile>)
    gemm_kernel(Problem problem, int splits, int share, GemmResult<typename Arithmetic::Element> result) {
  DYNAMIC_SHARED(unsigned char, shared);
  const int tiles_across = ceil_div(result.columns, Tile::columns);
  const int first_row = static_cast<int>(blockIdx.x) / tiles_across * Tile::rows;
  const int first_column = static_cast<int>(blockIdx.x) % tiles_across * Tile::columns;
  const int split = static_cast<int>(blockIdx.z) % splits, which = static_cast<int>(blockIdx.z) / splits;
  const auto& part = problem.part(which);
  const int begin = split * share, end = part.inner - begin < share ? part.inner : begin + share;

  using LayoutA = typename Arithmetic::template Layout<Problem::Part::OperandA::major, Tile::rows>;
  using LayoutB = typename Arithmetic::template Layout<Problem::Part::OperandB::major, Tile::columns>;
  typename Arithmetic::template Sums<Tile, LayoutA, LayoutB> sums;
  gemm<Arithmetic, Tile, Chunks, LayoutA, LayoutB>(part.a, part.b, first_row, first_column, begin, end,
                                                   reinterpret_cast<typename Arithmetic::Element*>(shared), sums);
  if (splits > 1) result.data = static_cast<float*>(result.data) + split * result.elements;
  const auto& same = problem.part(pinned(which));                      // not kept in registers through the loop
  result.rows = same.inner == 0 && result.accumulate ? 0 : same.rows;  // nothing to add: nothing is stored
  GemmStore<Tile>::store(sums, reinterpret_cast<float*>(shared), same.row_of, result, first_row, first_column);
}

// How many shares a sum of `steps` steps is split into: as many as take the least time on 132 multiprocessors (an H100 or
// H200), `blocks` blocks on each at once, counted in steps of one tile by one multiprocessor: a block's beginning and end are
// worth 8 steps, the launch of the join 12 of a tile of 128×128, writing and reading a tile's sums an eighth.
template <class Arithmetic, class Tile>
int split_count(std::int64_t tiles, std::int64_t steps, std::int64_t elements) {
  constexpr std::int64_t slots = 132 * gemm_blocks<Tile>, workspace = (64 << 20) / sizeof(float);
  const std::int64_t most = std::min(steps, workspace / std::max<std::int64_t>(elements, 1));
  const auto cost = [&](std::int64_t splits) {
    const std::int64_t each = ceil_div(steps, splits) + 8;
    const std::int64_t join = splits > 1 ? 12 * 128 * 128 / Tile::elements + splits * tiles / 8 : 0;
    return ceil_div(tiles * splits, slots) * gemm_blocks<Tile> * each + join / Arithmetic::step_time;
  };
  std::int64_t best = 1;
  for (int half_waves = 1; half_waves <= 12; ++half_waves) {
    std::int64_t splits = std::clamp<std::int64_t>(half_waves * slots / (2 * std::max<std::int64_t>(tiles, 1)), 1,
                                                   std::max<std::int64_t>(most, 1));
    splits = ceil_div(steps, ceil_div(steps, splits));
    if (cost(splits) < cost(best)) best = splits;
  }
  return static_cast<int>(best);
}

// Computes a problem of `parts` products, each of at most `rows` rows and an inner dimension of at most `inner`.
// result.elements: all that is written, by all parts. Was the sum split, so that nobody has made result.statistics?
template <class Arithmetic, class Tile, class Chunks, class Problem>
bool launch_gemm(Stream& stream, LaunchOn on, const Problem& problem, int parts, std::int64_t rows, int inner,
                 const GemmResult<typename Arithmetic::Element>& result) {
  using T = typename Arithmetic::Element;
  using Part = typename Problem::Part;
  constexpr int step_elements = Arithmetic::template Layout<Part::OperandA::major, Tile::rows>::size +
                                Arithmetic::template Layout<Part::OperandB::major, Tile::columns>::size;
  constexpr std::size_t shared =
      std::max(Arithmetic::stages * step_elements * sizeof(T), GemmStore<Tile>::floats() * sizeof(float));
  const std::int64_t tiles =
      ceil_div<std::int64_t>(rows, Tile::rows) * ceil_div<std::int64_t>(result.columns, Tile::columns);
  const int steps = std::max(ceil_div(inner, gemm_depth<T>), 1);
  const int share = ceil_div(steps, split_count<Arithmetic, Tile>(tiles * parts, steps, result.elements)) * gemm_depth<T>;
  const int splits = std::max(ceil_div(inner, share), 1);
  const dim3 grid(block_count(tiles, 1), 1, static_cast<unsigned>(parts * splits));
  constexpr auto kernel = gemm_kernel<Arithmetic, Tile, Chunks, Problem>;
  if (splits == 1) {
    launch(kernel, grid, Tile::threads, shared, on, problem, splits, share, result);
    return false;
  }
  GemmResult<T> shares{.rows = result.rows, .columns = result.columns, .elements = result.elements};
  shares.data = stream.workspace.borrow(static_cast<std::size_t>(splits * result.elements) * sizeof(float));
  shares.align();
  launch(kernel, grid, Tile::threads, shared, on, problem, splits, share, shares);
  join(on, static_cast<const float*>(shares.data), splits, result);
  return true;
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

// Would tiles of so many lines leave half of the last one empty?
constexpr bool half_empty(std::int64_t lines, int tile) { return ceil_div<std::int64_t>(lines, tile / 2) % 2 == 1; }

// Calls body(tile) with the taller of the tiles with 128 columns, unless it would be half empty where there are few.
template <class Arithmetic, class Body>
void with_tile(std::int64_t rows, Body&& body) {
  if constexpr (requires { typename Arithmetic::Wide; })
    if (!half_empty(rows, 256) || rows > 4096) return body(typename Arithmetic::Wide{});
  body(typename Arithmetic::Square{});
}

// Is what is copied at a time aligned at this address, and are these numbers of elements multiples of it?
template <class T, class... Counts>
bool chunked(const void* data, Counts... counts) {
  return reinterpret_cast<std::uintptr_t>(data) % gemm_chunk_bytes == 0 && ((counts % gemm_chunk<T> == 0) && ...);
}

}  // namespace

// A number of rows, columns or inner elements as an int. Throws DeviceError where there are too many.
inline int gemm_size(std::int64_t n) {
  if (n > 0x7fffff00) throw DeviceError("a matrix product with a dimension of " + std::to_string(n) + " is too large");
  return static_cast<int>(n);
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
