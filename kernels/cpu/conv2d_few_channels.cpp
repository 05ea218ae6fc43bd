// Direct backward-data for few input channels at stride 1 (LeNet-5's second layer: 5×5, 6 → 16).
//
// dx[n,h,w,c] has too few channels to fill a vector. But the S·C floats that one output pixel adds to a row of dx,
//   part[q][s·C + c] = Σ_{r,k} dy[n, h + pad_top − r, q, k] · w[k,r,s,c],      lie together:
// a product of dy's rows as they are (nothing padded, nothing copied) with panels of S·C columns (isa/rows.h). Then
//   dx[h][w·C …] (+)= the parts of q = 0 … Q − 1, each one pixel further on.
//
// Threads take runs of rows of dx; a row is computed by one thread in one order: the same bits for any number of threads.
// FLOPs 2·N·H·Q·R·K·S·C, fewer than by windows of padded dy where the filter is large against the map (there: H·W windows).
// Bound by arithmetic.
// Measured (2 threads of a Zen 4 server, AVX-512, other work beside them), batch 128: 5×5, 6 → 16 at 14²: 0.45 ms, by
// windows 1.40; 5×5, 3 → 6 at 32²: 1.23, by windows 2.73.
#include <algorithm>

#include "kernels/cpu/conv2d.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"

namespace tessera::kernels::cpu {
namespace {

constexpr std::int64_t flops_per_thread = 200'000;

constexpr std::int64_t round_up(std::int64_t count, std::int64_t unit) { return (count + unit - 1) / unit * unit; }

}  // namespace

bool few_channels_win(const Stream& stream, const Conv2dShape& s) {
  const std::int64_t width = isa::kernels(stream).vector_width;
  const std::int64_t windows = s.w * s.s * round_up(s.c, std::max<std::int64_t>(width / 2, 4));
  return s.stride == 1 && s.c < width && s.q * round_up(s.s * s.c, width) < windows;
}

void few_channels_backward_data(Stream& stream, const Conv2dShape& s, const float* dy, const float* w, float* dx,
                                bool accumulate) {
  const isa::Kernels& kernels = isa::kernels(stream);
  const std::int64_t columns = s.s * s.c, width = kernels.panel_width, panels = round_up(columns, width) / width;
  const std::int64_t panel_floats = s.r * s.k * width;  // [R, last filter row first][K][width]
  const std::int64_t part_floats = whole_lines(s.q * columns);
  const std::int64_t line_floats = whole_lines(std::max(s.q + s.s - 1, s.pad_left + s.w) * s.c);
  Scratch scratch(stream, whole_lines(panels * panel_floats) + stream.options.threads * (part_floats + line_floats));
  float* packed = scratch.take(panels * panel_floats);
  float* own = scratch.take(0);
  for (std::int64_t panel = 0; panel < panels; ++panel)
    for (std::int64_t r = 0; r < s.r; ++r)
      kernels.for_float.pack(w + r * columns + panel * width, s.r * columns, s.k, std::min(width, columns - panel * width),
                             packed + panel * panel_floats + (s.r - 1 - r) * s.k * width);

  const std::int64_t flops_per_row = 2 * s.q * s.r * s.k * columns;
  parallel_workers_for(stream, 0, s.n * s.h, 1 + flops_per_thread / flops_per_row,
                       [&](int worker, std::int64_t first, std::int64_t last) {
                         float* parts = own + worker * (part_floats + line_floats);
                         float* line = parts + part_floats;
                         for (std::int64_t row = first; row < last; ++row) {
                           const std::int64_t n = row / s.h, h = row % s.h;
                           // The rows of dy that read this one, and the last of their filter rows.
                           const std::int64_t p = std::max<std::int64_t>(0, h + s.pad_top - s.r + 1);
                           const std::int64_t taps = std::min(s.p, h + s.pad_top + 1) - p, r = h + s.pad_top - p;
                           std::fill_n(line, line_floats, 0.0f);
                           if (taps > 0) {
                             kernels.for_float.rows({.in = dy + (n * s.p + p) * s.q * s.k,
                                                     .in_image = 0,
                                                     .in_row = 0,
                                                     .in_column = s.k,
                                                     .out = parts,
                                                     .out_image = 0,
                                                     .out_row = 0,
                                                     .out_column = columns,
                                                     .images = 1,
                                                     .rows = 1,
                                                     .columns = s.q,
                                                     .taps = taps,
                                                     .tap_step = s.q * s.k,
                                                     .length = s.k,
                                                     .panels = packed + (s.r - 1 - r) * s.k * width,
                                                     .panel_floats = panel_floats,
                                                     .channels = columns,
                                                     .epilogue = {}});
                             for (std::int64_t q = 0; q < s.q; ++q)
                               for (std::int64_t j = 0; j < columns; ++j) line[q * s.c + j] += parts[q * columns + j];
                           }
                           float* to = dx + row * s.w * s.c;
                           const float* from = line + s.pad_left * s.c;
                           for (std::int64_t i = 0; i < s.w * s.c; ++i) to[i] = accumulate ? to[i] + from[i] : from[i];
                         }
                       });
}

}  // namespace tessera::kernels::cpu
