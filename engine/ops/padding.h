// Padding of windows (convolution, pooling), and the output size it leads to.
#pragma once

#include <algorithm>
#include <cstdint>

namespace tessera {

// Cells added around an image. An explicit amount per side, or Keras' "same" rule, which depends on the input size.
struct Padding {
  std::int64_t top = 0, bottom = 0, left = 0, right = 0;
  bool same = false;

  static constexpr Padding none() { return {}; }
  static constexpr Padding all(std::int64_t cells) { return {cells, cells, cells, cells, false}; }
  // out = ⌈n/stride⌉ with the odd cell at the bottom and at the right (Keras, TensorFlow).
  static constexpr Padding keras_same() { return {0, 0, 0, 0, true}; }
};

// One axis: cells before the first input cell, and the number of windows.
struct WindowAxis {
  std::int64_t before, out;
};

// "same": out = ⌈n/s⌉, total = max((out−1)·s + k − n, 0), before = ⌊total/2⌋; explicit: out = ⌊(n + before + after − k)/s⌋
// + 1.
constexpr WindowAxis window_axis(std::int64_t n, std::int64_t k, std::int64_t stride, bool same, std::int64_t before,
                                 std::int64_t after) {
  if (same) {
    const std::int64_t out = (n + stride - 1) / stride;
    return {std::max<std::int64_t>((out - 1) * stride + k - n, 0) / 2, out};
  }
  const std::int64_t room = n + before + after - k;
  return {before, room < 0 ? 0 : room / stride + 1};
}

}  // namespace tessera
