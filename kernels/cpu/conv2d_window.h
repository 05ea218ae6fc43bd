// Rows of an image batch with zeros around them, as the direct kernels read them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/pieces.h"

namespace tessera::kernels::cpu {

// The part of an NHWC batch that some outputs read: `rows` × `columns` cells from (row, column) of each of `images` images.
struct Window {
  std::int64_t height, width, channels;  // of the images
  std::int64_t images, row, rows, column, columns;

  bool inside() const { return row >= 0 && column >= 0 && row + rows <= height && column + columns <= width; }
  std::int64_t elements() const { return images * rows * columns * channels; }

  // Writes the window densely, [images][rows][columns][channels], by copy_run(from, count, to), and `padding` outside the
  // image. `batch`: the first of the images.
  template <class E, class To, class CopyRun>
  void copy(const E* batch, To* to, To padding, const CopyRun& copy_run) const {
    const std::int64_t first = std::clamp<std::int64_t>(column, 0, width);
    const std::int64_t last = std::clamp<std::int64_t>(column + columns, first, width);
    const std::int64_t left = std::clamp<std::int64_t>(first - column, 0, columns), middle = last - first;
    const std::int64_t right = columns - left - middle;
    const auto pad = [&](std::int64_t cells) { to = std::fill_n(to, cells * channels, padding); };
    for (std::int64_t i = 0; i < images; ++i, batch += height * width * channels)
      for (std::int64_t r = row; r < row + rows; ++r) {
        if (r < 0 || r >= height) {
          pad(columns);
          continue;
        }
        pad(left);
        copy_run(batch + (r * width + first) * channels, middle * channels, to);
        to += middle * channels;
        pad(right);
      }
  }
  // As floats, zeros outside.
  template <class E>
  void copy(const SimdLoops& loops, const E* batch, float* to) const {
    copy(batch, to, 0.0f, [&](const E* from, std::int64_t count, float* run) { copy_widened(loops, from, count, run); });
  }
};

}  // namespace tessera::kernels::cpu
