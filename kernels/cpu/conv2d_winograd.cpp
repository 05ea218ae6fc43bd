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
// In both, an output is computed by one thread in one order: the same bits for any number of threads. Where the filters do
// not change (inference), U is made once and kept; then it costs its reading alone, and both orders read it from memory.
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

bool winograd_possible(const Conv2dShape& s) {
  return s.r == 3 && s.s == 3 && s.stride == 1 && s.groups == 1 && s.c % 16 == 0 && s.k % 16 == 0 && s.n * s.p * s.q > 0 &&
         reach_of(s).whole;
}

bool winograd_wins(const Conv2dShape& s, Pass pass) {
  if (!winograd_possible(s)) return false;
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
  // U of all panels: [panel][point][depth][width], the points a line more apart.
  std::int64_t u_step(const Job<E>& job) const { return job.depth * width + line; }
  std::int64_t u_panel(const Job<E>& job) const { return winograd.points * u_step(job); }
};

template <class E>
Plan<E> plan_of(const Stream& stream, const Job<E>& job, int m) {
  const isa::Kernels& kernels = isa::kernels(stream);
  const isa::Winograd<E>& winograd = m == 2 ? kernels.of<E>().winograd2 : kernels.of<E>().winograd4;
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

// All of U; buffers: one for each thread.
template <class E>
void transform_all(const Stream& stream, const Plan<E>& plan, const Job<E>& job, float* buffers, std::int64_t per_thread,
                   float* u) {
  const std::int64_t u_step = plan.u_step(job), u_panel = plan.u_panel(job), pieces = ceil_div(job.depth, weights_block);
  parallel_workers_for(stream, 0, plan.panels * pieces, 1, [&](int worker, std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t panel = i / pieces, c = i % pieces * weights_block;
      transform_weights(plan, job, panel, c, std::min(weights_block, job.depth - c), buffers + worker * per_thread,
                        u + panel * u_panel + c * plan.width, u_step);
    }
  });
}
template <class E>
std::int64_t transform_floats(const Plan<E>& plan, const Job<E>& job) {  // of one buffer
  return whole_lines(9 * std::min(job.depth, weights_block) * plan.width);
}

// How many blocks of tiles: V and M of one fit in L2; few blocks are as many as threads share evenly.
std::int64_t blocks_of(std::int64_t tiles, std::int64_t points, std::int64_t channels) {
  const std::int64_t fitting = block_floats / (points * channels);
  const std::int64_t blocks = ceil_div(tiles, std::clamp<std::int64_t>(fitting / 12 * 12, 12, 96));
  return blocks < items_wanted && tiles >= 8 * blocks ? ceil_div(blocks, 4) * 4 : blocks;
}

// kept: U, where it is made already.
template <class E>
void by_tiles(Stream& stream, const Plan<E>& plan, const Job<E>& job, const float* kept) {
  const std::int64_t points = plan.winograd.points;
  const std::int64_t blocks = blocks_of(plan.tiles, points, job.depth + job.channels), block = ceil_div(plan.tiles, blocks);
  const std::int64_t u_step = plan.u_step(job), u_panel = plan.u_panel(job), u_floats = kept ? 0 : plan.panels * u_panel;
  const std::int64_t v_step = block * job.depth + line, m_step = block * job.channels + line;
  const std::int64_t per_thread =
      std::max(transform_floats(plan, job), whole_lines(points * v_step) + whole_lines(points * m_step));
  Scratch scratch(stream, whole_lines(u_floats) + stream.options.threads * per_thread);
  float* const made = scratch.take(u_floats);
  float* const own = scratch.take(0);
  if (!kept) transform_all(stream, plan, job, own, per_thread, made);
  const float* const u = kept ? kept : made;

  parallel_workers_for(stream, 0, blocks, 1, [&](int worker, std::int64_t first, std::int64_t last) {
    float* v = own + worker * per_thread;
    float* m = v + whole_lines(points * v_step);
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t tile = i * plan.tiles / blocks, end = (i + 1) * plan.tiles / blocks;
      plan.winograd.input(plan.input(job, tile, end), job.in, v, v_step);
      multiply(
          plan.kernels, points,
          {end - tile, job.depth, job.channels, v, v_step, job.depth, u, u_step, u_panel, m, m_step, job.channels, false});
      plan.winograd.output(plan.output(job, tile, end), m, m_step, job.channels, 0, job.channels, job.epilogue, job.out);
    }
  });
}

template <class E>
void by_panels(Stream& stream, const Plan<E>& plan, const Job<E>& job, const float* kept) {
  const std::int64_t points = plan.winograd.points, length = kept ? job.depth : std::min(job.depth, weights_block);
  const std::int64_t v_step = plan.tiles * job.depth + line;
  const std::int64_t u_step = length * plan.width + line, m_step = plan.tiles * plan.width + line;
  const std::int64_t g_floats = kept ? 0 : whole_lines(9 * length * plan.width);
  const std::int64_t u_floats = kept ? 0 : whole_lines(points * u_step);
  const std::int64_t per_thread = g_floats + u_floats + whole_lines(points * m_step);
  Scratch scratch(stream, whole_lines(points * v_step) + stream.options.threads * per_thread);
  float* v = scratch.take(points * v_step);
  float* own = scratch.take(0);

  parallel_for(stream, 0, plan.tiles, 1 + 4096 / (points * job.depth), [&](std::int64_t first, std::int64_t last) {
    plan.winograd.input(plan.input(job, first, last), job.in, v + first * job.depth, v_step);
  });
  parallel_workers_for(stream, 0, plan.panels, 1, [&](int worker, std::int64_t first, std::int64_t last) {
    float* const g = own + worker * per_thread;
    float* const m = g + g_floats + u_floats;
    for (std::int64_t panel = first; panel < last; ++panel) {
      const std::int64_t channel = panel * plan.width, count = std::min(plan.width, job.channels - channel);
      for (std::int64_t c = 0; c < job.depth; c += length) {
        const std::int64_t here = std::min(length, job.depth - c);
        if (!kept) transform_weights(plan, job, panel, c, here, g, g + g_floats, u_step);
        const float* const u = kept ? kept + panel * plan.u_panel(job) : g + g_floats;
        multiply(plan.kernels, points,
                 {plan.tiles, here, count, v + c, v_step, job.depth, u, u_step, 0, m, m_step, plan.width, c > 0});
      }
      plan.winograd.output(plan.output(job, 0, plan.tiles), m, m_step, plan.width, channel, count, job.epilogue, job.out);
    }
  });
}

template <class E>
void run(Stream& stream, const Job<E>& job, int m, const float* kept = nullptr) {
  const Plan<E> plan = plan_of(stream, job, m);
  if (2 * plan.tiles <= job.depth)
    by_panels(stream, plan, job, kept);
  else
    by_tiles(stream, plan, job, kept);
}

template <class E>
void run(Stream& stream, const Job<E>& job) {
  const isa::Kernels& kernels = isa::kernels(stream);
  run(stream, job, winograd_for<E>(kernels, job.images, job.rows, job.columns, job.depth, job.channels).m);
}

template <class E>
Job<E> forward_job(const Conv2dShape& s, const E* x, const E* w, const isa::Epilogue<E>& epilogue, E* y) {
  return {s.n, s.h, s.w, s.c, s.p, s.q, s.k, s.pad_top, s.pad_left, x, w, false, y, epilogue};
}

}  // namespace

template <class E>
void winograd_forward(Stream& stream, const Conv2dShape& s, const E* x, const E* w, const isa::Epilogue<E>& epilogue, E* y) {
  run(stream, forward_job(s, x, w, epilogue, y));
}

template <class E>
std::int64_t winograd_kept_floats(const Stream& stream, const Conv2dShape& s, int m) {
  const Job<E> job = forward_job<E>(s, nullptr, nullptr, {}, nullptr);
  const Plan<E> plan = plan_of(stream, job, m);
  return plan.panels * plan.u_panel(job);
}

template <class E>
void winograd_keep(Stream& stream, const Conv2dShape& s, int m, const E* w, float* u) {
  const Job<E> job = forward_job<E>(s, nullptr, w, {}, nullptr);
  const Plan<E> plan = plan_of(stream, job, m);
  const std::int64_t per_thread = transform_floats(plan, job);
  Scratch scratch(stream, stream.options.threads * per_thread);
  transform_all(stream, plan, job, scratch.take(0), per_thread, u);
}

template <class E>
void winograd_forward_kept(Stream& stream, const Conv2dShape& s, int m, const E* x, const float* u,
                           const isa::Epilogue<E>& epilogue, E* y) {
  run(stream, forward_job<E>(s, x, nullptr, epilogue, y), m, u);
}

template <class E>
void winograd_backward_data(Stream& stream, const Conv2dShape& s, const E* dy, const E* w, E* dx, bool accumulate) {
  run<E>(stream,
         {s.n, s.p, s.q, s.k, s.h, s.w, s.c, 2 - s.pad_top, 2 - s.pad_left, dy, w, true, dx, {.accumulate = accumulate}});
}

template void winograd_forward(Stream&, const Conv2dShape&, const float*, const float*, const isa::Epilogue<float>&, float*);
template void winograd_forward(Stream&, const Conv2dShape&, const bf16*, const bf16*, const isa::Epilogue<bf16>&, bf16*);
template std::int64_t winograd_kept_floats<float>(const Stream&, const Conv2dShape&, int);
template std::int64_t winograd_kept_floats<bf16>(const Stream&, const Conv2dShape&, int);
template void winograd_keep(Stream&, const Conv2dShape&, int, const float*, float*);
template void winograd_keep(Stream&, const Conv2dShape&, int, const bf16*, float*);
template void winograd_forward_kept(Stream&, const Conv2dShape&, int, const float*, const float*,
                                    const isa::Epilogue<float>&, float*);
template void winograd_forward_kept(Stream&, const Conv2dShape&, int, const bf16*, const float*, const isa::Epilogue<bf16>&,
                                    bf16*);
template void winograd_backward_data(Stream&, const Conv2dShape&, const float*, const float*, float*, bool);
template void winograd_backward_data(Stream&, const Conv2dShape&, const bf16*, const bf16*, bf16*, bool);

}  // namespace tessera::kernels::cpu
