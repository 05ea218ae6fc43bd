// How a direct convolution's outputs are cut into items of work: from the shape alone.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/parallel.h"

namespace tessera::kernels::cpu {

inline constexpr std::int64_t points_wanted = 64;  // output points per item, so that a panel is used often

struct OutputExtents {
  std::int64_t images, rows, columns, channels;
};

// An item is `images` images × `rows` output rows (a *block*, which reads one window) × a range of panels.
struct Cut {
  std::int64_t images, rows, panel_groups, items;

  struct Item {
    std::int64_t block, image, images, row, rows, channel, channels;
  };
  Item item(const OutputExtents& out, std::int64_t panel_width, std::int64_t number) const {
    const std::int64_t row_blocks = (out.rows + rows - 1) / rows, panels = (out.channels + panel_width - 1) / panel_width;
    const std::int64_t group = number % panel_groups, block = number / panel_groups;
    const std::int64_t image = block / row_blocks * images, row = block % row_blocks * rows;
    const std::int64_t first_panel = panels * group / panel_groups, last_panel = panels * (group + 1) / panel_groups;
    const std::int64_t channel = first_panel * panel_width;
    return {block,
            image,
            std::min(images, out.images - image),
            row,
            std::min(rows, out.rows - row),
            channel,
            std::min(last_panel * panel_width, out.channels) - channel};
  }
};

// window(rows): elements of the input that so many output rows of one image read; `budget` of them fit a thread's cache.
template <class Window>
Cut cut_outputs(const OutputExtents& out, int panel_width, std::int64_t budget, const Window& window) {
  Cut cut{1, out.rows, 1, 1};
  while (cut.rows > 1 && window(cut.rows) > budget) cut.rows = (cut.rows + 1) / 2;
  if (cut.rows == out.rows) {
    const std::int64_t fits = std::max<std::int64_t>(1, budget / window(out.rows));
    const std::int64_t wanted = (points_wanted + out.rows * out.columns - 1) / (out.rows * out.columns);
    cut.images = std::min({fits, wanted, out.images});
  }
  const auto blocks = [&] { return (out.images + cut.images - 1) / cut.images * ((out.rows + cut.rows - 1) / cut.rows); };
  while (blocks() < items_wanted && cut.rows * out.columns >= 2 * points_wanted) cut.rows = (cut.rows + 1) / 2;
  const std::int64_t panels = (out.channels + panel_width - 1) / panel_width;
  cut.panel_groups = std::clamp<std::int64_t>((items_wanted + blocks() - 1) / blocks(), 1, panels);
  cut.items = blocks() * cut.panel_groups;
  return cut;
}

}  // namespace tessera::kernels::cpu
