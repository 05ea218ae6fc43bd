// Winograd convolution, forward and backward-data: 3×3 filters, stride 1 (transforms: isa/winograd.h).
//
// With points ξ (16 or 36), tiles t and channels:  V[ξ][t][c] from the input, U[ξ][c][k] from the weights,
//   M[ξ][t][k] = Σ_c V[ξ][t][c] · U[ξ][c][k],  then M back to outputs, through the epilogue. All three are float32.
// Backward-data is the same on dy with the filters flipped and c, k exchanged.
//
// Two orders of work, by what is larger:
//   many tiles (large maps): U is made once; threads take blocks of tiles and do input, products and output of a block
//     while V and M of the block are in L2.
//   many channels (two or more per tile: small maps): V is made once; threads take panels of output channels and make U
//     of a panel piece by piece in L2, so that U (four times the weights: 38 MB for 512 × 512) never goes to memory.
// In both, an output is computed by one thread in one order: the same bits for any number of threads.
//
// FLOPs: the products need 2·(m+2)²/m² per output and channel pair instead of 18. Bound by arithmetic in the products and
// by L2 in the transforms.
// Measured on one Zen 4 core with AVX-512, batch 32, in GFLOP/s as direct convolution counts them (its peak: 114),
// forward / backward-data: 64 @ 32²: 234 / 259, 128 @ 16²: 298 / 299, 256 @ 8²: 219 / 237, 512 @ 4²: 266 / 268;
// 384 @ 5² (F(2×2), a third of the tiles' outputs unused): 139 / 140; 16 @ 16²: 143 / 142.
// Largest error over largest value: at most 3·10⁻⁶ at these shapes, all three passes.
#include "kernels/cpu/conv2d_winograd.h"

#include <algorithm>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"

namespace tessera::kernels::cpu {

WinogradCost winograd_cost(std::int64_t images, std::int64_t rows, std::int64_t columns, std::int64_t c, std::int64_t k) {
  const auto cost = [&](std::int64_t m) {
    const double tiles = static_cast<double>(images * ceil_div(rows, m) * ceil_div(columns, m));
    const double points = static_cast<double>((m + 2) * (m + 2));
    return points * (tiles * (1 + 10.0 / static_cast<double>(c) + 10.0 / static_cast<double>(k)) + 6);
  };
  return {static_cast<double>(9 * images * rows * columns), cost(2), cost(4)};
}

bool winograd_wins(const Conv2dShape& s, Pass pass) {
  if (s.r != 3 || s.s != 3 || s.stride != 1 || s.c % 16 != 0 || s.k % 16 != 0 || s.n * s.p * s.q == 0) return false;
  const bool data = pass == Pass::backward_data;
  const WinogradCost cost = winograd_cost(s.n, data ? s.h : s.p, data ? s.w : s.q, s.c, s.k);
  return std::min(cost.m2, cost.m4) < cost.direct;
}

namespace {

// The correlation of `in` [n, height, width, depth] with 3×3 filters to `out` [n, rows, columns, channels].
template <class E>
struct Job {
  std::int64_t images, height, width, depth;
  std::int64_t rows, columns, channels;
  std::int64_t pad_top, pad_left;
  const E* in;
  const E* w;    // [k,3,3,c]
  bool flipped;  // filters turned by 180°, depth = k and channels = c
  E* out;
  isa::Epilogue<E> epilogue;
};

constexpr std::int64_t weights_block = 64;         // input channels whose weights are transformed together
constexpr std::int64_t block_floats = 160 * 1024;  // V and M of a block of tiles together
constexpr std::int64_t line = 16;  // added to a power of two, keeps the streams of a transform in different cache sets

template <class E>
struct Plan {
  const isa::Kernels& kernels;
  const isa::Winograd<E>& winograd;
  std::int64_t width, panels;
  std::int64_t tile_rows, tile_columns, tiles;

  isa::Tiles input(const Job<E>& job, std::int64_t first, std::int64_t last) const {
    return {tile_rows, tile_columns, job.height, job.width, job.depth, job.pad_top, job.pad_left, first, last};
  }
  isa::Tiles output(const Job<E>& job, std::int64_t first, std::int64_t last) const {
    return {tile_rows, tile_columns, job.rows, job.columns, job.channels, 0, 0, first, last};
  }
};

template <class E>
Plan<E> plan_of(const Stream& stream, const Job<E>& job) {
  const isa::Kernels& kernels = isa::kernels(stream);
  const isa::Winograd<E>& winograd = winograd_for<E>(kernels, job.images, job.rows, job.columns, job.depth, job.channels);
  const std::int64_t tile_rows = ceil_div(job.rows, winograd.m), tile_columns = ceil_div(job.columns, winograd.m);
  return {kernels,
          winograd,
          kernels.panel_width,
          ceil_div(job.channels, kernels.panel_width),
          tile_rows,
          tile_columns,
          job.images * tile_rows * tile_columns};
}

// U of input channels [first, first + length) for one panel of output channels; g: scratch for 9 · length · width floats.
template <class E>
void transform_weights(const Plan<E>& plan, const Job<E>& job, std::int64_t panel, std::int64_t first, std::int64_t length,
                       float* g, float* u, std::int64_t u_step) {
  const isa::Typed<E>& kernels = plan.kernels.template of<E>();
  const std::int64_t channel = panel * plan.width, count = std::min(plan.width, job.channels - channel);
  for (std::int64_t tap = 0; tap < 9; ++tap)
    if (job.flipped)
      kernels.pack(job.w + (first * 9 + tap) * job.channels + channel, 9 * job.channels, length, count,
                   g + (8 - tap) * length * plan.width);
    else
      kernels.pack_transposed(job.w + (channel * 9 + tap) * job.depth + first, 9 * job.depth, length, count,
                              g + tap * length * plan.width);
  plan.winograd.weights(g, length, u, u_step);
}

// M[ξ] (+)= V[ξ] · U[ξ] for all points; v and m are `tiles` rows, v_tile and m_tile apart.
struct Products {
  std::int64_t tiles, length, channels;
  const float* v;
  std::int64_t v_step, v_tile;
  const float* u;
  std::int64_t u_step, u_panel;
  float* m;
  std::int64_t m_step, m_tile;
  bool accumulate;
};
void multiply(const isa::Kernels& kernels, std::int64_t points, const Products& job) {
  for (std::int64_t point = 0; point < points; ++point)
    kernels.for_float.rows({.in = job.v + point * job.v_step,
                            .in_image = 0,
                            .in_row = 0,
                            .in_column = job.v_tile,
                            .out = job.m + point * job.m_step,
                            .out_image = 0,
                            .out_row = 0,
                            .out_column = job.m_tile,
                            .images = 1,
                            .rows = 1,
                            .columns = job.tiles,
                            .taps = 1,
                            .tap_step = 0,
                            .length = job.length,
                            .panels = job.u + point * job.u_step,
                            .panel_floats = job.u_panel,
                            .channels = job.channels,
                            .epilogue = {.accumulate = job.accumulate}});
}

template <class E>
void by_tiles(Stream& stream, const Plan<E>& plan, const Job<E>& job) {
  const std::int64_t points = plan.winograd.points;
  const std::int64_t fitting = block_floats / (points * (job.depth + job.channels));
  const std::int64_t block = std::min(plan.tiles, std::clamp<std::int64_t>(fitting / 12 * 12, 12, 96));
  const std::int64_t u_step = job.depth * plan.width + line, u_panel = points * u_step;
  const std::int64_t v_step = block * job.depth + line, m_step = block * job.channels + line;
  const std::int64_t g_floats = 9 * std::min(job.depth, weights_block) * plan.width;
  const std::int64_t per_thread =
      std::max(whole_lines(g_floats), whole_lines(points * v_step) + whole_lines(points * m_step));
  Scratch scratch(stream, whole_lines(plan.panels * u_panel) + stream.options.threads * per_thread);
  float* u = scratch.take(plan.panels * u_panel);
  float* own = scratch.take(0);

  const std::int64_t pieces = ceil_div(job.depth, weights_block);
  parallel_workers_for(stream, 0, plan.panels * pieces, 1, [&](int worker, std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t panel = i / pieces, c = i % pieces * weights_block;
      transform_weights(plan, job, panel, c, std::min(weights_block, job.depth - c), own + worker * per_thread,
                        u + panel * u_panel + c * plan.width, u_step);
    }
  });
  parallel_workers_for(stream, 0, ceil_div(plan.tiles, block), 1, [&](int worker, std::int64_t first, std::int64_t last) {
    float* v = own + worker * per_thread;
    float* m = v + whole_lines(points * v_step);
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t tile = i * block, end = std::min(tile + block, plan.tiles);
      plan.winograd.input(plan.input(job, tile, end), job.in, v, v_step);
      multiply(
          plan.kernels, points,
          {end - tile, job.depth, job.channels, v, v_step, job.depth, u, u_step, u_panel, m, m_step, job.channels, false});
      plan.winograd.output(plan.output(job, tile, end), m, m_step, job.channels, 0, job.channels, job.epilogue, job.out);
    }
  });
}

template <class E>
void by_panels(Stream& stream, const Plan<E>& plan, const Job<E>& job) {
  const std::int64_t points = plan.winograd.points, length = std::min(job.depth, weights_block);
  const std::int64_t v_step = plan.tiles * job.depth + line;
  const std::int64_t u_step = length * plan.width + line, m_step = plan.tiles * plan.width + line;
  const std::int64_t g_floats = whole_lines(9 * length * plan.width), u_floats = whole_lines(points * u_step);
  const std::int64_t per_thread = g_floats + u_floats + whole_lines(points * m_step);
  Scratch scratch(stream, whole_lines(points * v_step) + stream.options.threads * per_thread);
  float* v = scratch.take(points * v_step);
  float* own = scratch.take(0);

  parallel_for(stream, 0, plan.tiles, 1 + 4096 / (points * job.depth), [&](std::int64_t first, std::int64_t last) {
    plan.winograd.input(plan.input(job, first, last), job.in, v + first * job.depth, v_step);
  });
  parallel_workers_for(stream, 0, plan.panels, 1, [&](int worker, std::int64_t first, std::int64_t last) {
    float* g = own + worker * per_thread;
    float* u = g + g_floats;
    float* m = u + u_floats;
    for (std::int64_t panel = first; panel < last; ++panel) {
      const std::int64_t channel = panel * plan.width, count = std::min(plan.width, job.channels - channel);
      for (std::int64_t c = 0; c < job.depth; c += length) {
        const std::int64_t here = std::min(length, job.depth - c);
        transform_weights(plan, job, panel, c, here, g, u, u_step);
        multiply(plan.kernels, points,
                 {plan.tiles, here, count, v + c, v_step, job.depth, u, u_step, 0, m, m_step, plan.width, c > 0});
      }
      plan.winograd.output(plan.output(job, 0, plan.tiles), m, m_step, plan.width, channel, count, job.epilogue, job.out);
    }
  });
}

template <class E>
void run(Stream& stream, const Job<E>& job) {
  const Plan<E> plan = plan_of(stream, job);
  if (2 * plan.tiles <= job.depth)
    by_panels(stream, plan, job);
  else
    by_tiles(stream, plan, job);
}

}  // namespace

template <class E>
void winograd_forward(Stream& stream, const Conv2dShape& s, const E* x, const E* w, const isa::Epilogue<E>& epilogue, E* y) {
  run<E>(stream, {s.n, s.h, s.w, s.c, s.p, s.q, s.k, s.pad_top, s.pad_left, x, w, false, y, epilogue});
}

template <class E>
void winograd_backward_data(Stream& stream, const Conv2dShape& s, const E* dy, const E* w, E* dx, bool accumulate) {
  run<E>(stream,
         {s.n, s.p, s.q, s.k, s.h, s.w, s.c, 2 - s.pad_top, 2 - s.pad_left, dy, w, true, dx, {.accumulate = accumulate}});
}

template void winograd_forward(Stream&, const Conv2dShape&, const float*, const float*, const isa::Epilogue<float>&, float*);
template void winograd_forward(Stream&, const Conv2dShape&, const bf16*, const bf16*, const isa::Epilogue<bf16>&, bf16*);
template void winograd_backward_data(Stream&, const Conv2dShape&, const float*, const float*, float*, bool);
template void winograd_backward_data(Stream&, const Conv2dShape&, const bf16*, const bf16*, bf16*, bool);

}  // namespace tessera::kernels::cpu
