// A sum of outer products: the register-blocked kernel of weight gradients and of aᵀ·b.
//
// R rows × V vectors of the output stay in registers over all points of the job; each point gives V vectors of b and R
// floats of a. Both operands are read as they lie in memory (activations and their gradients in NHWC): nothing is packed,
// nothing is transposed. FLOPs per point: 2·R·V·width; loads: V vectors + R floats.
//
// With `accumulate` the sum of the job's points is formed first and then added: long sums cut into jobs lose less to
// rounding than one long chain.
//
// Loop order: columns of V vectors, rows of R, image, row, point. For the next R rows, b is in cache already.
#pragma once

#include "kernels/cpu/isa/rows.h"

namespace tessera::kernels::cpu::isa {
namespace {

template <int V>
TESSERA_INLINE void load_row(Vec (&to)[V], const float* p, std::int64_t partial) {
#pragma GCC unroll 2
  for (int v = 0; v < V - 1; ++v) to[v] = load(p + v * vector_width);
  to[V - 1] = partial ? load_partial(p + (V - 1) * vector_width, partial) : load(p + (V - 1) * vector_width);
}

// partial: 0, or how many lanes of the last vector exist. read_whole: it may be read (not written) as a whole anyway.
template <int R, int V, bool read_whole>
__attribute__((noinline)) void outer_tile(const Outer& job, std::int64_t row, std::int64_t column, std::int64_t partial) {
  float* const out = job.out + row * job.out_step + column;
  Vec sums[R][V];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) sums[r][v] = Vec{};
  for (std::int64_t i = 0; i < job.images; ++i)
    for (std::int64_t p = 0; p < job.rows; ++p) {
      const float* a = job.a + i * job.a_image + p * job.a_row + row;
      const float* b = job.b + i * job.b_image + p * job.b_row + column;
      for (std::int64_t q = 0; q < job.columns; ++q, a += job.a_column, b += job.b_column) {
        Vec x[V];
        load_row<V>(x, b, read_whole ? 0 : partial);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
          const Vec y = splat(a[r]);
#pragma GCC unroll 2
          for (int v = 0; v < V; ++v) sums[r][v] += y * x[v];
        }
      }
    }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    float* const to = out + r * job.out_step;
    if (job.accumulate) {
      Vec before[V];
      load_row<V>(before, to, partial);
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sums[r][v] += before[v];
    }
#pragma GCC unroll 2
    for (int v = 0; v < V - 1; ++v) store(to + v * vector_width, sums[r][v]);
    if (partial)
      store_partial(to + (V - 1) * vector_width, sums[r][V - 1], partial);
    else
      store(to + (V - 1) * vector_width, sums[r][V - 1]);
  }
}

template <int R, int V, bool read_whole>
void outer_tile_of(int rows_here, const Outer& job, std::int64_t row, std::int64_t column, std::int64_t partial) {
  if (rows_here == R) return outer_tile<R, V, read_whole>(job, row, column, partial);
  if constexpr (R > 1) outer_tile_of<R - 1, V, read_whole>(rows_here, job, row, column, partial);
}

template <int V, bool read_whole>
void outer_columns(const Outer& job, std::int64_t column, std::int64_t partial) {
  constexpr int most = max_points<V, Vec>;
  const std::int64_t tiles = (job.rows_out + most - 1) / most;
  for (std::int64_t t = 0; t < tiles; ++t) {
    const std::int64_t first = t * job.rows_out / tiles, last = (t + 1) * job.rows_out / tiles;
    outer_tile_of<most, V, read_whole>(static_cast<int>(last - first), job, first, column, partial);
  }
}

void outer(const Outer& job) {
  for (std::int64_t column = 0; column < job.columns_out; column += 2 * vector_width) {
    const std::int64_t left = job.columns_out - column;
    const std::int64_t partial = left < 2 * vector_width ? left % vector_width : 0;
    const bool whole = partial == 0 || job.overread;
    if (left > vector_width)
      whole ? outer_columns<2, true>(job, column, partial) : outer_columns<2, false>(job, column, partial);
    else
      whole ? outer_columns<1, true>(job, column, partial) : outer_columns<1, false>(job, column, partial);
  }
}

}  // namespace
}  // namespace tessera::kernels::cpu::isa
