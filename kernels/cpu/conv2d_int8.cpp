// Direct convolution in whole numbers of eight bits, forward, for weights that are kept; dense layers are its 1×1 case.
//
//   y[n,p,q,k] = f(scale[k] · Σ_{r,s,c} (X[…] − zero_point) · W[k,r,s,c] + shift[k] + residual)
//   X = min(max(round(x/input_scale) + zero_point, 0), 127), W in −63 … 63   (kernels/prepared.h)
//
// The sum is Σ X·W − zero_point·Σ W, whose second part is a constant of the channel: sums start from it. Padding is X =
// zero_point. A block of outputs whose window holds a NaN or an infinity, which no byte says, is NaN, image by image.
//
// Activations are float32 in memory and become bytes where the window of an item is copied, as direct convolution
// widens bf16: so residuals, pools and whatever else stands between two convolutions are as they are in float32. A window's
// bytes are made once for all items of a thread that read it; that costs 3 to 8 % of a 3×3 layer.
//
// Threads: items as of direct convolution (conv2d_cut.h). Sums of whole numbers are exact: the same bits in any order.
// 2·N·P·Q·K·R·S·C operations, isa/int8_rows.h says how many an instruction does; bytes: x and y once, a byte for each weight.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "kernels/cpu/conv2d.h"
#include "kernels/cpu/conv2d_cut.h"
#include "kernels/cpu/conv2d_window.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"

namespace tessera::kernels::cpu {
namespace {

constexpr std::int64_t window_budget = 192 * 1024;  // bytes of input per thread: a fifth of L2
constexpr std::int64_t operations_per_chunk = 400'000;

// Where things lie in what is kept: start values (int32) of whole panels, then the panels.
struct Kept {
  std::int64_t width, panels, length, panel_step, panels_at, bytes;

  Kept(const isa::Int8Kernels& kernels, const Conv2dShape& s, const Reach& reach)
      : width(kernels.panel_width),
        panels((s.k + width - 1) / width),
        length((reach.columns * s.c + 3) / 4 * 4),
        panel_step(reach.rows * length * width),
        panels_at((panels * width * static_cast<std::int64_t>(sizeof(std::int32_t)) + 63) / 64 * 64),
        bytes(panels_at + panels * panel_step) {}
};

Window window_of(const Conv2dShape& s, const Reach& reach, std::int64_t images, std::int64_t row, std::int64_t rows) {
  return {s.h,
          s.w,
          s.c,
          images,
          reach.row - s.pad_top + row * s.stride,
          (rows - 1) * s.stride + reach.rows,
          reach.column - s.pad_left,
          (s.q - 1) * s.stride + reach.columns};
}

// NaN in the item's outputs of those images whose rows of the window are not finite.
void spoil(const Conv2dShape& s, const Window& window, const Cut::Item& at, const float* x, float* y) {
  const std::int64_t first = std::clamp<std::int64_t>(window.row, 0, s.h);
  const std::int64_t last = std::clamp<std::int64_t>(window.row + window.rows, first, s.h), line = s.w * s.c;
  for (std::int64_t n = at.image; n < at.image + at.images; ++n) {
    const float* const image = x + n * s.h * line;
    if (std::all_of(image + first * line, image + last * line, [](float v) { return std::isfinite(v); })) continue;
    float* const out = y + (n * s.p + at.row) * s.q * s.k + at.channel;
    for (std::int64_t point = 0; point < at.rows * s.q; ++point) std::fill_n(out + point * s.k, at.channels, NAN);
  }
}

}  // namespace

std::int64_t int8_kept_bytes(const Stream& stream, const Conv2dShape& s) {
  return Kept(isa::int8_kernels(stream), s, reach_of(s)).bytes;
}

void int8_keep(const Stream& stream, const Int8Product& product, const Conv2dShape& s, const float* w, std::byte* to) {
  const Reach reach = reach_of(s);
  const Kept kept(isa::int8_kernels(stream), s, reach);
  std::memset(to, 0, static_cast<std::size_t>(kept.bytes));
  auto* const start = reinterpret_cast<std::int32_t*>(to);
  auto* const panels = reinterpret_cast<std::int8_t*>(to + kept.panels_at);
  constexpr float most = int8_most_weight;
  parallel_for(stream, 0, s.k, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t k = first; k < last; ++k) {
      const float factor = 1 / product.weight_scales[static_cast<std::size_t>(k)];
      std::int8_t* const panel = panels + k / kept.width * kept.panel_step + k % kept.width * 4;
      for (std::int64_t r = 0; r < reach.rows; ++r) {
        const float* const row = w + ((k * s.r + reach.row + r) * s.s + reach.column) * s.c;
        for (std::int64_t l = 0; l < reach.columns * s.c; ++l) {
          const float q = std::clamp(std::nearbyint(row[l] * factor), -most, most);
          panel[(r * kept.length + l) / 4 * 4 * kept.width + l % 4] = static_cast<std::int8_t>(q);
          start[k] -= product.zero_point * static_cast<std::int32_t>(q);
        }
      }
    }
  });
}

void int8_forward_kept(Stream& stream, const Int8Product& product, const Conv2dShape& s, const float* x,
                       const std::byte* kept_bytes, const isa::Epilogue<float>& epilogue, float* y) {
  if (s.n * s.p * s.q * s.k == 0) return;
  const isa::Int8Kernels& kernels = isa::int8_kernels(stream);
  const Reach reach = reach_of(s);
  const Kept kept(kernels, s, reach);
  const auto* const start = reinterpret_cast<const std::int32_t*>(kept_bytes);
  const auto* const panels = reinterpret_cast<const std::int8_t*>(kept_bytes + kept.panels_at);
  const OutputExtents out{s.n, s.p, s.q, s.k};
  const Cut cut = cut_outputs(out, kernels.panel_width, window_budget,
                              [&](std::int64_t rows) { return window_of(s, reach, 1, 0, rows).elements(); });
  // A step reads four bytes: the last one of a window up to three beyond it, which meet weights of zero.
  const std::int64_t window_bytes = window_of(s, reach, cut.images, 0, cut.rows).elements() + 3;
  const std::int64_t window_floats = whole_lines((window_bytes + 3) / 4);
  Scratch scratch(stream, stream.options.threads * window_floats);
  float* const windows = scratch.take(0);
  struct alignas(64) Held {
    std::int64_t block = -1;  // whose window a thread's scratch holds
    bool finite = true;       // and whether bytes could say all that is in it
  };
  std::vector<Held> held(static_cast<std::size_t>(stream.options.threads));
  const std::int64_t operations = s.n * s.p * s.q * s.k * reach.rows * kept.length / cut.items;
  const std::int64_t grain = std::max<std::int64_t>(1, operations_per_chunk / std::max<std::int64_t>(1, operations));
  parallel_workers_for(stream, 0, cut.items, grain, [&](int worker, std::int64_t first, std::int64_t last) {
    auto* const bytes = reinterpret_cast<std::uint8_t*>(windows + worker * window_floats);
    for (std::int64_t item = first; item < last; ++item) {
      const Cut::Item at = cut.item(out, kernels.panel_width, item);
      const Window window = window_of(s, reach, at.images, at.row, at.rows);
      Held& mine = held[static_cast<std::size_t>(worker)];
      if (std::exchange(mine.block, at.block) != at.block) {
        mine.finite = true;
        window.copy(x + at.image * s.h * s.w * s.c, bytes, static_cast<std::uint8_t>(product.zero_point),
                    [&](const float* from, std::int64_t count, std::uint8_t* to) {
                      mine.finite &= kernels.quantize(from, count, 1 / product.input_scale, product.zero_point, to);
                    });
        std::memset(bytes + window.elements(), 0, 3);
      }
      const std::int64_t line = window.columns * s.c, first_out = (at.image * s.p + at.row) * s.q * s.k + at.channel;
      const auto from = [&](const float* of_channels) { return of_channels ? of_channels + at.channel : nullptr; };
      kernels.rows({.in = bytes,
                    .in_image = window.rows * line,
                    .in_row = s.stride * line,
                    .in_column = s.stride * s.c,
                    .out = y + first_out,
                    .out_image = s.p * s.q * s.k,
                    .out_row = s.q * s.k,
                    .out_column = s.k,
                    .images = at.images,
                    .rows = at.rows,
                    .columns = s.q,
                    .taps = reach.rows,
                    .tap_step = line,
                    .length = kept.length,
                    .panels = panels + at.channel / kept.width * kept.panel_step,
                    .panel_step = kept.panel_step,
                    .start = start + at.channel,
                    .channels = at.channels,
                    .epilogue = {.scale = from(epilogue.scale),
                                 .shift = from(epilogue.shift),
                                 .residual = epilogue.residual ? epilogue.residual + first_out : nullptr,
                                 .activation = epilogue.activation}});
      if (!mine.finite) spoil(s, window, at, x, y);
    }
  });
}

}  // namespace tessera::kernels::cpu
