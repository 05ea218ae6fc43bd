// Winograd backward-weights: 3×3 filters, stride 1 (transforms: isa/winograd.h).
//
// With points ξ and tiles t:  V[ξ][t][c] = Bᵀ x B,  D[ξ][t][k] = A dy Aᵀ,
//   dU[ξ][k][c] = Σ_t D[ξ][t][k] · V[ξ][t][c],  dw[k] (+)= Gᵀ dU[·][k] G.
//
//   few tiles (small maps): V and D of all tiles are made once; threads take rectangles of k × c and turn the dU of a
//     rectangle into dw while it is in L2, so that dU (four times the weights) never goes to memory.
//   many tiles (large maps): blocks of tiles one after the other; in each, threads first share out the tiles of V and D,
//     then the (small) products, which add to dU; dU becomes dw at the end.
// No element's sum is ever split between threads: the same bits for any number of them.
// FLOPs: 2·(m+2)²/m² per output and channel pair instead of 18. Bound by arithmetic; for large maps by L3 (V and D of a
// block are written by one thread and read by all).
// Measured on one Zen 4 core with AVX-512, batch 32, in GFLOP/s as direct convolution counts them (its peak: 114):
// 64 @ 32²: 258, 128 @ 16²: 292, 256 @ 8²: 294, 512 @ 4²: 270; 384 @ 5²: 125.
#include <algorithm>

#include "kernels/cpu/conv2d_winograd.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"

namespace tessera::kernels::cpu {
namespace {

constexpr std::int64_t few_tiles = 256;
constexpr std::int64_t block_floats = 448 * 1024;  // V and D of a block: the L2 of two cores (96 tiles of 64 + 64 channels)
constexpr std::int64_t line = 16;  // added to a power of two, keeps the streams of a transform in different cache sets
constexpr std::int64_t filters_at_once = 24, channels_at_once = 64;  // rectangle of dU: 220 KiB for 36 points

}  // namespace

template <class E>
void winograd_backward_weights(Stream& stream, const Conv2dShape& s, const E* x, const E* dy, float* dw, bool accumulate) {
  const isa::Kernels& kernels = isa::kernels(stream);
  const isa::Winograd<E>& winograd = winograd_for<E>(kernels, s.n, s.p, s.q, s.c, s.k);
  const std::int64_t points = winograd.points, pairs = s.k * s.c;
  const std::int64_t tile_rows = ceil_div(s.p, winograd.m), tile_columns = ceil_div(s.q, winograd.m);
  const std::int64_t tiles = s.n * tile_rows * tile_columns;
  const bool single = tiles <= few_tiles;
  // Blocks that fit L2, but not so small that loading and storing dU outweighs reading V and D.
  const std::int64_t fitting = std::max(block_floats / (points * (s.c + s.k)), s.c * s.k / (s.c + s.k));
  const std::int64_t block = single ? tiles : std::clamp<std::int64_t>(fitting, 32, few_tiles);
  const std::int64_t v_step = block * s.c + line, d_step = block * s.k + line;
  const std::int64_t rectangle = filters_at_once * channels_at_once, du_step = single ? rectangle + line : pairs + line;

  Scratch scratch(stream, whole_lines(points * v_step) + whole_lines(points * d_step) +
                              (single ? stream.options.threads : 1) * whole_lines(points * du_step));
  float* v = scratch.take(points * v_step);
  float* d = scratch.take(points * d_step);
  float* du = scratch.take(points * du_step);

  const auto transform = [&](std::int64_t first_tile, std::int64_t count) {
    parallel_for(stream, 0, count, 1 + 4096 / (points * (s.c + s.k)), [&](std::int64_t first, std::int64_t last) {
      const std::int64_t from = first_tile + first, to = first_tile + last;
      winograd.input({tile_rows, tile_columns, s.h, s.w, s.c, s.pad_top, s.pad_left, from, to}, x, v + first * s.c, v_step);
      winograd.output_gradient({tile_rows, tile_columns, s.p, s.q, s.k, 0, 0, from, to}, dy, d + first * s.k, d_step);
    });
  };
  // dU[ξ] (+)= D[ξ]ᵀ · V[ξ] for filters [k, k + filters) and channels [c, c + channels).
  const auto multiply = [&](std::int64_t point, std::int64_t count, std::int64_t k, std::int64_t filters, std::int64_t c,
                            std::int64_t channels, float* out, std::int64_t out_step, bool add) {
    kernels.outer({.a = d + point * d_step + k,
                   .a_image = 0,
                   .a_row = 0,
                   .a_column = s.k,
                   .b = v + point * v_step + c,
                   .b_image = 0,
                   .b_row = 0,
                   .b_column = s.c,
                   .images = 1,
                   .rows = 1,
                   .columns = count,
                   .out = out,
                   .out_step = out_step,
                   .rows_out = filters,
                   .columns_out = channels,
                   .accumulate = add,
                   .overread = false});
  };

  if (single) {
    transform(0, tiles);
    const std::int64_t across = ceil_div(s.c, channels_at_once);
    parallel_workers_for(
        stream, 0, ceil_div(s.k, filters_at_once) * across, 1, [&](int worker, std::int64_t first, std::int64_t last) {
          float* own = du + worker * whole_lines(points * du_step);
          for (std::int64_t i = first; i < last; ++i) {
            const std::int64_t k = i / across * filters_at_once, filters = std::min(filters_at_once, s.k - k);
            const std::int64_t c = i % across * channels_at_once, channels = std::min(channels_at_once, s.c - c);
            for (std::int64_t point = 0; point < points; ++point)
              multiply(point, tiles, k, filters, c, channels, own + point * du_step, channels_at_once, false);
            winograd.weights_gradient(own, du_step, channels_at_once, filters, channels, s.c, accumulate,
                                      dw + k * 9 * s.c + c);
          }
        });
    return;
  }

  const std::int64_t groups = ceil_div(s.k, filters_at_once);
  for (std::int64_t tile = 0; tile < tiles; tile += block) {
    const std::int64_t count = std::min(block, tiles - tile);
    transform(tile, count);
    parallel_for(stream, 0, points * groups, 1, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i) {
        const std::int64_t point = i / groups, k = i % groups * filters_at_once;
        multiply(point, count, k, std::min(filters_at_once, s.k - k), 0, s.c, du + point * du_step + k * s.c, s.c, tile > 0);
      }
    });
  }
  parallel_for(stream, 0, s.k, 1 + 2048 / s.c, [&](std::int64_t first, std::int64_t last) {
    winograd.weights_gradient(du + first * s.c, du_step, s.c, last - first, s.c, s.c, accumulate, dw + first * 9 * s.c);
  });
}

template void winograd_backward_weights(Stream&, const Conv2dShape&, const float*, const float*, float*, bool);
template void winograd_backward_weights(Stream&, const Conv2dShape&, const bf16*, const bf16*, float*, bool);

}  // namespace tessera::kernels::cpu
