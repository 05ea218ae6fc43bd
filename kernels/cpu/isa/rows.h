// Output points × a panel of output channels: the register-blocked kernel of direct convolution and matmul.
//
// A tile of R points × V vectors of channels stays in R·V accumulators over the whole reduction. One step of it loads V
// vectors of the panel and broadcasts one float of each point. FLOPs per step: 2·R·V·width; loads: V vectors + R floats,
// all from L1 or L2, so arithmetic bounds it from about six rows on.
//
// Loop order: panel, tile of points, tap, l. The panel (reduction × 2 vectors) stays in cache over all points. The first of
// them fetch it, which is most of the work where there are few (weights of inference, from memory); the processor's own
// prefetch stops at every page, so the loop asks for what it needs some 64 steps later: 1.2 to 2 times as fast then.
// Points are shared out evenly over the tiles (17 points as 9 + 8, not 12 + 5), so that no tile is nearly empty.
#pragma once

#include "kernels/cpu/isa/activation.h"
#include "kernels/cpu/isa/kernels.h"
#include "kernels/cpu/isa/vec.h"

namespace tessera::kernels::cpu::isa {
namespace {

// Most points of a tile of V vectors T: what fits in the registers beside V panel vectors and one broadcast.
template <int V, class T>
constexpr int max_points =
#if defined(__AVX512F__) || defined(__aarch64__)
    V == 2 ? 12 : 16;
#elif defined(__AVX2__)
    V == 2 ? 6 : 12;
#else
    V == 2 ? 4 : 8;
#endif

constexpr std::int64_t fetch_ahead = 2048;  // floats

// `whole`: all lanes exist; else the first `count` of them.
template <class T, bool whole, class E>
TESSERA_INLINE T load_some(const E* p, std::int64_t count) {
  if constexpr (whole)
    return load<T>(p);
  else
    return load_partial<T>(p, count);
}

// Vector v of the tile's points. residual − job.out is the same for every element.
template <bool whole, int R, int V, class T, class Job, class E>
TESSERA_INLINE void rows_store(const Job& job, std::int64_t first, std::int64_t count, int v, const T (&sums)[R][V],
                               E* const* out) {
  const Epilogue<E>& e = job.epilogue;
  const T scale = e.scale ? load_some<T, whole>(e.scale + first, count) : splat<T>(1.0f);
  const T shift = e.shift ? load_some<T, whole>(e.shift + first, count) : T{};
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    T y = sums[r][v];
    if (e.accumulate) y += load_some<T, whole>(out[r] + first, count);
    y = y * scale + shift;
    if (e.residual) y += load_some<T, whole>(e.residual + (out[r] - job.out) + first, count);
    y = activate(y, e.activation);
    if constexpr (whole)
      store(out[r] + first, y);
    else
      store_partial(out[r] + first, y, count);
  }
}

template <int R, int V, class T, class Job, class E>
TESSERA_INLINE void rows_epilogue(const Job& job, std::int64_t channel, const T (&sums)[R][V], E* const* out) {
  for (int v = 0; v < V; ++v) {
    const std::int64_t first = channel + v * lanes<T>, count = job.channels - first;
    if (count >= lanes<T>)
      rows_store<true>(job, first, count, v, sums, out);
    else if (count > 0)
      rows_store<false>(job, first, count, v, sums, out);
  }
}

// How a tile of floats is computed; the walk over tiles below knows no more of it than this.
struct FloatTile {
  template <int V, class T>
  static constexpr int most = max_points<V, T>;

  template <int R, int V, class T, class E>
  static __attribute__((noinline)) void run(const Rows<E>& job, const float* panel, std::int64_t channel,
                                            const float* const* in, E* const* out) {
    T sums[R][V];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sums[r][v] = T{};

    const float* w = panel;
    for (std::int64_t tap = 0; tap < job.taps; ++tap) {
      const float* point[R];
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) point[r] = in[r] + tap * job.tap_step;
      for (std::int64_t l = 0; l < job.length; ++l, w += 2 * vector_width) {
        T b[V];
        for (int line = 0; line < 2 * vector_width; line += 16) __builtin_prefetch(w + fetch_ahead + line);
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) b[v] = load<T>(w + v * lanes<T>);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
          const T a = splat<T>(point[r][l]);
#pragma GCC unroll 2
          for (int v = 0; v < V; ++v) sums[r][v] += a * b[v];
        }
      }
    }
    rows_epilogue<R, V, T>(job, channel, sums, out);
  }
};

template <class Tile, int R, int V, class T, class Job, class In, class Weight, class E>
void rows_tile_of(int points, const Job& job, const Weight* panel, std::int64_t channel, const In* const* in,
                  E* const* out) {
  if (points == R) return Tile::template run<R, V, T>(job, panel, channel, in, out);
  if constexpr (R > 1) rows_tile_of<Tile, R - 1, V, T>(points, job, panel, channel, in, out);
}

template <class Tile, int V, class T, class Job, class Weight>
void rows_panel(const Job& job, const Weight* panel, std::int64_t channel) {
  constexpr int most = Tile::template most<V, T>;
  const std::int64_t total = job.images * job.rows * job.columns;
  const std::int64_t tiles = (total + most - 1) / most;
  std::int64_t row = 0, column = 0;
  auto *in_image = job.in, *in_row = job.in, *in = job.in;
  auto *out_image = job.out, *out_row = job.out, *out = job.out;
  for (std::int64_t t = 0; t < tiles; ++t) {
    const int points = static_cast<int>((t + 1) * total / tiles - t * total / tiles);
    decltype(in) from[most];
    decltype(out) to[most];
    for (int i = 0; i < points; ++i) {
      from[i] = in, to[i] = out;
      in += job.in_column, out += job.out_column;
      if (++column < job.columns) continue;
      column = 0;
      in = in_row += job.in_row, out = out_row += job.out_row;
      if (++row < job.rows) continue;
      row = 0;
      in = in_row = in_image += job.in_image, out = out_row = out_image += job.out_image;
    }
    rows_tile_of<Tile, most, V, T>(points, job, panel, channel, from, to);
  }
}

template <class E>
void rows(const Rows<E>& job) {
  const float* panel = job.panels;
  for (std::int64_t channel = 0; channel < job.channels; channel += 2 * vector_width, panel += job.panel_floats) {
    const std::int64_t left = job.channels - channel;
    if (left > vector_width)
      rows_panel<FloatTile, 2, Vec>(job, panel, channel);
    else if (left > half_width)
      rows_panel<FloatTile, 1, Vec>(job, panel, channel);
    else
      rows_panel<FloatTile, 1, HalfVec>(job, panel, channel);
  }
}

}  // namespace
}  // namespace tessera::kernels::cpu::isa
