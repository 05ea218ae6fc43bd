#include "engine/image/resize.h"

#include <algorithm>
#include <cmath>

namespace tessera {
namespace {

constexpr int fraction_bits = 22;
constexpr std::int64_t channels = 3;

double cubic(double t) {
  constexpr double a = -0.5;
  t = std::abs(t);
  // In the order of operations that Pillow uses: the last bit of a weight decides how a sum is rounded.
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  if (t < 2) return (((t - 5) * t + 8) * t - 4) * a;
  return 0;
}

// The inputs of one output, and their weights in units of 2^−22.
struct Window {
  std::int64_t first = 0;
  std::vector<std::int32_t> weights;
};

std::vector<Window> windows_of(std::int64_t in, std::int64_t out) {
  const double scale = static_cast<double>(in) / static_cast<double>(out), stretch = std::max(1.0, scale);
  const double support = 2 * stretch, inverse = 1 / stretch;
  std::vector<Window> windows(static_cast<std::size_t>(out));
  std::vector<double> weights;
  for (std::int64_t i = 0; i < out; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const std::int64_t first = std::max<std::int64_t>(0, static_cast<std::int64_t>(centre - support + 0.5));
    const std::int64_t last = std::min(in, static_cast<std::int64_t>(centre + support + 0.5));
    weights.clear();
    double sum = 0;
    for (std::int64_t x = first; x < last; ++x) {
      weights.push_back(cubic((static_cast<double>(x) - centre + 0.5) * inverse));
      sum += weights.back();
    }
    Window& window = windows[static_cast<std::size_t>(i)];
    window.first = first;
    for (const double weight : weights) {
      const double normal = (sum != 0 ? weight / sum : weight) * (1 << fraction_bits);
      window.weights.push_back(static_cast<std::int32_t>(normal < 0 ? normal - 0.5 : normal + 0.5));
    }
  }
  return windows;
}

std::uint8_t to_byte(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> fraction_bits, 0, 255)); }

// One pass: `to` has lines·n_out samples of 3 bytes, of which sample j of line l is the weighted sum along `from`'s samples,
// `step` bytes apart, beginning `line` bytes after those of the line before.
void pass(const std::vector<Window>& windows, std::int64_t lines, const std::uint8_t* from, std::int64_t from_line,
          std::int64_t from_step, std::uint8_t* to, std::int64_t to_line, std::int64_t to_step) {
  for (std::int64_t l = 0; l < lines; ++l)
    for (std::size_t j = 0; j < windows.size(); ++j) {
      const Window& window = windows[j];
      std::int32_t sums[channels];
      std::fill_n(sums, channels, 1 << (fraction_bits - 1));
      const std::uint8_t* sample = from + l * from_line + window.first * from_step;
      for (const std::int32_t weight : window.weights) {
        for (std::int64_t c = 0; c < channels; ++c) sums[c] += sample[c] * weight;
        sample += from_step;
      }
      std::uint8_t* out = to + l * to_line + static_cast<std::int64_t>(j) * to_step;
      for (std::int64_t c = 0; c < channels; ++c) out[c] = to_byte(sums[c]);
    }
}

}  // namespace

Image resize_bicubic(const Image& image, std::int64_t height, std::int64_t width) {
  Image narrow{.height = image.height, .width = width};
  if (width == image.width) {
    narrow.pixels = image.pixels;
  } else {
    narrow.pixels.resize(static_cast<std::size_t>(image.height * width * channels));
    pass(windows_of(image.width, width), image.height, image.pixels.data(), image.width * channels, channels,
         narrow.pixels.data(), width * channels, channels);
  }
  if (height == image.height) return narrow;
  Image out{.height = height, .width = width};
  out.pixels.resize(static_cast<std::size_t>(height * width * channels));
  pass(windows_of(image.height, height), width, narrow.pixels.data(), channels, width * channels, out.pixels.data(),
       channels, width * channels);
  return out;
}

}  // namespace tessera
