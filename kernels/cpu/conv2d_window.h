// Rows of an image batch with zeros around them, as the direct kernels read them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels/cpu/pieces.h"

namespace tessera::kernels::cpu {

// The part of an NHWC batch that some outputs read: `rows` × `columns` cells from (row, column) of each of `images` images;
// cells outside the image are zeros.
struct Window {
  std::int64_t height, width, channels;  // of the images
  std::int64_t images, row, rows, column, columns;

  bool inside() const { return row >= 0 && column >= 0 && row + rows <= height && column + columns <= width; }
  std::int64_t floats() const { return images * rows * columns * channels; }

  // Writes the window densely, [images][rows][columns][channels]. `batch`: the first of the images. bf16 is widened.
  template <class E>
  void copy(const SimdLoops& loops, const E* batch, float* to) const {
    const std::int64_t first = std::clamp<std::int64_t>(column, 0, width);
    const std::int64_t last = std::clamp<std::int64_t>(column + columns, first, width);
    const std::int64_t left = std::clamp<std::int64_t>(first - column, 0, columns), middle = last - first;
    const std::int64_t right = columns - left - middle;
    const auto zero = [&](std::int64_t cells) {
      std::memset(to, 0, static_cast<std::size_t>(cells * channels) * sizeof(float));
      to += cells * channels;
    };
    for (std::int64_t i = 0; i < images; ++i, batch += height * width * channels)
      for (std::int64_t r = row; r < row + rows; ++r) {
        if (r < 0 || r >= height) {
          zero(columns);
          continue;
        }
        zero(left);
        copy_widened(loops, batch + (r * width + first) * channels, middle * channels, to);
        to += middle * channels;
        zero(right);
      }
  }
};

}  // namespace tessera::kernels::cpu
