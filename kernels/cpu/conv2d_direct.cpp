// Direct convolution, forward and backward-data, for every shape.
//
// Forward:        y[n,p,q,k] = f(Σ_{r,s,c} x[n, p·stride + r − pad_top, q·stride + s − pad_left, c] · w[k,r,s,c] + bias[k])
// Backward-data:  dx[n,h,w,c] (+)= Σ dy · w over all outputs that read the cell. Cells whose (h + pad_top, w + pad_left)
//   leave the same remainders (a, b) modulo the stride see the same taps r = a + stride·j, s = b + stride·i, so each of
//   the stride² phases is a stride-1 convolution of dy with the flipped sub-filter, written to every stride-th cell.
//   (Stride 1: one phase, the whole filter flipped.)
//
// Both are *correlations*: a window of R rows slides over an image; each of its rows is S·C contiguous floats in NHWC, so
// the reduction runs over R taps of S·C floats and no window is ever copied (isa/rows.h). Only the zero padding is made
// real, in a copy of the image rows at hand that stays in L2; bf16 images are widened in such a copy.
//
// Taps that lie in the padding for every output are left out (reach_of): on a map of one pixel one of nine is left.
//
// Threads: items are blocks of output rows (a few images together where maps are small) × groups of panels; each output
// is computed by one thread in one order: the same bits for any number of threads.
// FLOPs 2·N·P·Q·K·R·S·C; bytes: x and y once, packed weights from L2/L3. Bound by arithmetic for C ≥ 16 or so.
// Measured on one Zen 4 core with AVX-512 (peak 114 GFLOP/s), batch 32, forward / backward-data:
//   3×3 stride 2, 64 → 128, 128 → 256, 256 → 512:  93–98 / 74–94     1×1 stride 2, the same:  92–102 / 80–105
//   5×5, 6 → 16 channels:  76 / 24      5×5, 3 → 6:  44 / 17       3×3, 3 → 64:  45 / 21
// Few channels leave lanes empty (6 of 8), and where the filter is large against the map, backward-data multiplies many
// padded zeros (196 cells for 100 outputs in the 5×5 case); conv2d_few_channels.cpp takes such shapes at stride 1.
#include <algorithm>
#include <utility>
#include <vector>

#include "kernels/cpu/conv2d.h"
#include "kernels/cpu/conv2d_cut.h"
#include "kernels/cpu/conv2d_window.h"
#include "kernels/cpu/isa/kernels.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"

namespace tessera::kernels::cpu {
namespace {

// out[i,u,v,k] = epilogue(Σ_{r,s,c} in[i, origin_row + u·stride + r, origin_column + v·stride + s, c] · panels[…])
template <class E>
struct Correlation {
  std::int64_t images, height, width, depth;  // input
  std::int64_t taps_r, taps_s;
  std::int64_t rows, columns, channels;  // output
  std::int64_t stride, origin_row, origin_column;
  const E* in;
  E* out;
  std::int64_t out_image, out_row, out_column;  // steps in elements
  const float* panels;                          // [channels / panel_width][taps_r][taps_s][depth][panel_width]
  isa::Epilogue<E> epilogue;

  std::int64_t reduction() const { return taps_r * taps_s * depth; }
};

constexpr std::int64_t window_budget = 48 * 1024;  // floats of padded input per thread: a fifth of L2
constexpr std::int64_t flops_per_thread = 200'000;

template <class E>
Window window_of(const Correlation<E>& job, std::int64_t images, std::int64_t first_row, std::int64_t rows) {
  return {job.height,
          job.width,
          job.depth,
          images,
          job.origin_row + first_row * job.stride,
          (rows - 1) * job.stride + job.taps_r,
          job.origin_column,
          (job.columns - 1) * job.stride + job.taps_s};
}

template <class E>
Cut cut_of(const Correlation<E>& job, int panel_width) {
  return cut_outputs({job.images, job.rows, job.columns, job.channels}, panel_width, window_budget,
                     [&](std::int64_t rows) { return window_of(job, 1, 0, rows).elements(); });
}

// Floats of scratch per thread.
template <class E>
std::int64_t window_floats(const Correlation<E>& job, const Cut& cut) {
  return whole_lines(window_of(job, cut.images, 0, cut.rows).elements());
}

template <class E>
void correlate(const Stream& stream, const isa::Kernels& kernels, const Correlation<E>& job, const Cut& cut,
               float* windows) {
  const std::int64_t width = kernels.panel_width;
  const std::int64_t flops = 2 * job.images * job.rows * job.columns * job.channels * job.reduction();
  const std::int64_t grain = std::max<std::int64_t>(1, flops_per_thread / std::max<std::int64_t>(1, flops / cut.items));
  const std::int64_t scratch = window_floats(job, cut);
  struct alignas(64) Held {
    std::int64_t block = -1;  // whose window a thread's scratch holds
  };
  std::vector<Held> held(static_cast<std::size_t>(stream.options.threads));
  parallel_workers_for(stream, 0, cut.items, grain, [&](int worker, std::int64_t first, std::int64_t last) {
    for (std::int64_t item = first; item < last; ++item) {
      const auto [block, image, images, row, rows, channel, channels] =
          cut.item({job.images, job.rows, job.columns, job.channels}, width, item);

      const Window window = window_of(job, images, row, rows);
      const E* from = job.in + image * job.height * job.width * job.depth;
      const float* in = nullptr;
      std::int64_t line = job.width * job.depth, in_image = job.height * line;
      if constexpr (std::is_same_v<E, float>)
        if (window.inside()) in = from + (window.row * job.width + window.column) * job.depth;
      if (!in) {
        float* copy = windows + worker * scratch;
        if (std::exchange(held[static_cast<std::size_t>(worker)].block, block) != block)
          window.copy(kernels.loops, from, copy);
        in = copy;
        line = window.columns * job.depth, in_image = window.rows * line;
      }
      const std::int64_t out = image * job.out_image + row * job.out_row + channel;
      const isa::Epilogue<E>& e = job.epilogue;
      const auto at = [](auto* array, std::int64_t offset) { return array ? array + offset : nullptr; };
      kernels.of<E>().rows({.in = in,
                            .in_image = in_image,
                            .in_row = job.stride * line,
                            .in_column = job.stride * job.depth,
                            .out = job.out + out,
                            .out_image = job.out_image,
                            .out_row = job.out_row,
                            .out_column = job.out_column,
                            .images = images,
                            .rows = rows,
                            .columns = job.columns,
                            .taps = job.taps_r,
                            .tap_step = line,
                            .length = job.taps_s * job.depth,
                            .panels = job.panels + channel * job.reduction(),
                            .panel_floats = width * job.reduction(),
                            .channels = channels,
                            .epilogue = {.scale = at(e.scale, channel),
                                         .shift = at(e.shift, channel),
                                         .residual = at(e.residual, out),
                                         .activation = e.activation,
                                         .accumulate = e.accumulate}});
    }
  });
}

// One phase of backward-data along one axis: the cells first, first + stride, … of dx, and the taps within reach they see.
struct Phase {
  std::int64_t first, count;  // cells of dx
  std::int64_t tap, taps;     // filter taps tap, tap + stride, …
  std::int64_t origin;        // first cell of dy that the first of them reads
};
Phase phase_of(std::int64_t remainder, std::int64_t stride, std::int64_t pad, std::int64_t extent, std::int64_t first_tap,
               std::int64_t taps) {
  Phase phase{};
  phase.first = ((remainder - pad) % stride + stride) % stride;
  phase.count = phase.first < extent ? (extent - phase.first + stride - 1) / stride : 0;
  phase.tap = first_tap + ((remainder - first_tap) % stride + stride) % stride;
  const std::int64_t end = first_tap + taps;
  phase.taps = phase.tap < end ? (end - phase.tap + stride - 1) / stride : 0;
  phase.origin = (phase.first + pad - phase.tap) / stride - (phase.taps - 1);
  return phase;
}

}  // namespace

std::int64_t direct_panel_floats(const Stream& stream, const Conv2dShape& s) {
  const std::int64_t width = isa::kernels(stream).panel_width;
  const Reach reach = reach_of(s);
  return (s.k + width - 1) / width * width * reach.rows * reach.columns * s.c;
}

template <class E>
void direct_pack(const Stream& stream, const Conv2dShape& s, const E* w, float* panels) {
  const isa::Kernels& kernels = isa::kernels(stream);
  const Reach reach = reach_of(s);
  // Runs of weights that lie together: the whole filter, or the columns within reach of one of its rows.
  const std::int64_t runs = reach.columns == s.s ? 1 : reach.rows, length = reach.rows * reach.columns * s.c / runs;
  const std::int64_t width = kernels.panel_width, filter = s.r * s.s * s.c;
  w += (reach.row * s.s + reach.column) * s.c;
  parallel_for(stream, 0, (s.k + width - 1) / width * runs, 1 + 20'000 / (width * length),
               [&](std::int64_t first, std::int64_t last) {
                 for (std::int64_t i = first; i < last; ++i) {
                   const std::int64_t channel = i / runs * width;
                   kernels.of<E>().pack_transposed(w + channel * filter + i % runs * s.s * s.c, filter, length,
                                                   std::min(width, s.k - channel), panels + i * width * length);
                 }
               });
}

namespace {

template <class E>
Correlation<E> forward_job(const Conv2dShape& s, const E* x, const isa::Epilogue<E>& epilogue, E* y) {
  const Reach reach = reach_of(s);
  return {.images = s.n,
          .height = s.h,
          .width = s.w,
          .depth = s.c,
          .taps_r = reach.rows,
          .taps_s = reach.columns,
          .rows = s.p,
          .columns = s.q,
          .channels = s.k,
          .stride = s.stride,
          .origin_row = reach.row - s.pad_top,
          .origin_column = reach.column - s.pad_left,
          .in = x,
          .out = y,
          .out_image = s.p * s.q * s.k,
          .out_row = s.q * s.k,
          .out_column = s.k,
          .panels = nullptr,
          .epilogue = epilogue};
}

}  // namespace

template <class E>
void direct_forward_packed(Stream& stream, const Conv2dShape& s, const E* x, const float* panels,
                           const isa::Epilogue<E>& epilogue, E* y) {
  if (s.n * s.p * s.q * s.k == 0) return;
  const isa::Kernels& kernels = isa::kernels(stream);
  Correlation<E> job = forward_job(s, x, epilogue, y);
  job.panels = panels;
  const Cut cut = cut_of(job, kernels.panel_width);
  Scratch scratch(stream, stream.options.threads * window_floats(job, cut));
  correlate(stream, kernels, job, cut, scratch.take(0));
}

template <class E>
void direct_forward(Stream& stream, const Conv2dShape& s, const E* x, const E* w, const isa::Epilogue<E>& epilogue, E* y) {
  if (s.n * s.p * s.q * s.k == 0) return;
  const isa::Kernels& kernels = isa::kernels(stream);
  Correlation<E> job = forward_job(s, x, epilogue, y);
  const Cut cut = cut_of(job, kernels.panel_width);
  const std::int64_t panels = direct_panel_floats(stream, s);
  Scratch scratch(stream, whole_lines(panels) + stream.options.threads * window_floats(job, cut));
  float* packed = scratch.take(panels);
  direct_pack(stream, s, w, packed);
  job.panels = packed;
  correlate(stream, kernels, job, cut, scratch.take(0));
}

template <class E>
void direct_backward_data(Stream& stream, const Conv2dShape& s, const E* dy, const E* w, E* dx, bool accumulate) {
  const std::int64_t cells = s.n * s.h * s.w * s.c;
  if (cells == 0) return;
  const isa::Kernels& kernels = isa::kernels(stream);
  const std::int64_t width = kernels.panel_width, panels = (s.c + width - 1) / width;

  const Reach reach = reach_of(s);
  const auto each_phase = [&](const auto& visit) {
    for (std::int64_t a = 0; a < s.stride; ++a)
      for (std::int64_t b = 0; b < s.stride; ++b) {
        const Phase rows = phase_of(a, s.stride, s.pad_top, s.h, reach.row, reach.rows);
        const Phase columns = phase_of(b, s.stride, s.pad_left, s.w, reach.column, reach.columns);
        if (rows.count > 0 && columns.count > 0) visit(rows, columns);
      }
  };
  // Cells that no tap reaches (where the stride is greater than the filter, say) get their zeros here.
  bool unread = s.p * s.q == 0;
  each_phase([&](const Phase& rows, const Phase& columns) { unread |= rows.taps * columns.taps == 0; });
  if (!accumulate && unread)
    parallel_for(stream, 0, cells, 100'000,
                 [&](std::int64_t first, std::int64_t last) { std::fill(dx + first, dx + last, E{}); });
  if (s.p * s.q == 0) return;
  if constexpr (std::is_same_v<E, float>)
    if (few_channels_win(stream, s)) return few_channels_backward_data(stream, s, dy, w, dx, accumulate);

  const auto correlation = [&](const Phase& rows, const Phase& columns) {
    return Correlation<E>{.images = s.n,
                          .height = s.p,
                          .width = s.q,
                          .depth = s.k,
                          .taps_r = rows.taps,
                          .taps_s = columns.taps,
                          .rows = rows.count,
                          .columns = columns.count,
                          .channels = s.c,
                          .stride = 1,
                          .origin_row = rows.origin,
                          .origin_column = columns.origin,
                          .in = dy,
                          .out = dx + (rows.first * s.w + columns.first) * s.c,
                          .out_image = s.h * s.w * s.c,
                          .out_row = s.stride * s.w * s.c,
                          .out_column = s.stride * s.c,
                          .panels = nullptr,
                          .epilogue = {.accumulate = accumulate}};
  };
  std::int64_t window = 0;  // floats per thread, enough for each phase
  each_phase([&](const Phase& rows, const Phase& columns) {
    if (rows.taps * columns.taps == 0) return;
    const Correlation<E> job = correlation(rows, columns);
    window = std::max(window, window_floats(job, cut_of(job, kernels.panel_width)));
  });
  const std::int64_t panel_floats = panels * width * reach.rows * reach.columns * s.k;  // of all phases together
  Scratch scratch(stream, whole_lines(panel_floats) + stream.options.threads * window);
  float* packed = scratch.take(panel_floats);
  float* windows = scratch.take(0);

  each_phase([&](const Phase& rows, const Phase& columns) {
    if (rows.taps * columns.taps == 0) return;
    Correlation<E> job = correlation(rows, columns);
    const std::int64_t reduction = job.reduction(), taps = rows.taps * columns.taps;
    float* here = packed;
    packed += panels * width * reduction;
    parallel_for(stream, 0, panels * taps, 1 + 20'000 / (width * s.k), [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i) {
        const std::int64_t panel = i / taps, tap = i % taps;
        const std::int64_t r = rows.tap + (rows.taps - 1 - tap / columns.taps) * s.stride;
        const std::int64_t t = columns.tap + (columns.taps - 1 - tap % columns.taps) * s.stride;
        kernels.of<E>().pack(w + (r * s.s + t) * s.c + panel * width, s.r * s.s * s.c, s.k,
                             std::min(width, s.c - panel * width), here + panel * width * reduction + tap * s.k * width);
      }
    });
    job.panels = here;
    correlate(stream, kernels, job, cut_of(job, kernels.panel_width), windows);
  });
}

template void direct_pack(const Stream&, const Conv2dShape&, const float*, float*);
template void direct_pack(const Stream&, const Conv2dShape&, const bf16*, float*);
template void direct_forward_packed(Stream&, const Conv2dShape&, const float*, const float*, const isa::Epilogue<float>&,
                                    float*);
template void direct_forward_packed(Stream&, const Conv2dShape&, const bf16*, const float*, const isa::Epilogue<bf16>&,
                                    bf16*);
template void direct_forward(Stream&, const Conv2dShape&, const float*, const float*, const isa::Epilogue<float>&, float*);
template void direct_forward(Stream&, const Conv2dShape&, const bf16*, const bf16*, const isa::Epilogue<bf16>&, bf16*);
template void direct_backward_data(Stream&, const Conv2dShape&, const float*, const float*, float*, bool);
template void direct_backward_data(Stream&, const Conv2dShape&, const bf16*, const bf16*, bf16*, bool);

}  // namespace tessera::kernels::cpu
