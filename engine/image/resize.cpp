#include "engine/image/resize.h"

#include <algorithm>
#include <cmath>

namespace tessera {
namespace {

constexpr int fraction_bits = 22;
constexpr std::int64_t channels = 3;
constexpr std::int32_t half = 1 << (fraction_bits - 1);

double cubic(double t) {
  constexpr double a = -0.5;
  t = std::abs(t);
  // In the order of operations that Pillow uses: the last bit of a weight decides how a sum is rounded.
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  if (t < 2) return (((t - 5) * t + 8) * t - 4) * a;
  return 0;
}

std::uint8_t to_byte(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> fraction_bits, 0, 255)); }

}  // namespace

std::vector<RowResizer::Window> RowResizer::windows_of(std::int64_t in, std::int64_t out) {
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

void RowResizer::along(const std::vector<Window>& windows, const std::uint8_t* row, std::uint8_t* to, std::int64_t step) {
  for (const Window& window : windows) {
    std::int32_t sums[channels];
    std::fill_n(sums, channels, half);
    const std::uint8_t* sample = row + window.first * channels;
    for (const std::int32_t weight : window.weights) {
      for (std::int64_t c = 0; c < channels; ++c) sums[c] += sample[c] * weight;
      sample += channels;
    }
    for (std::int64_t c = 0; c < channels; ++c) to[c] = to_byte(sums[c]);
    to += step;
  }
}

// The pass along the upright picture's rows comes first. In a transposed picture those are the columns that come, so that
// the two passes change places.
RowResizer::RowResizer(std::int64_t height, std::int64_t width, Orientation orientation, std::int64_t to_height,
                       std::int64_t to_width)
    : height_(height),
      width_(width),
      to_height_(to_height),
      to_width_(to_width),
      orientation_(orientation),
      along_rows_(windows_of(width, orientation.transposed ? to_height : to_width)),
      across_rows_(windows_of(height, orientation.transposed ? to_width : to_height)),
      narrow_(along_rows_.size() * channels),
      line_(orientation.transposed ? static_cast<std::size_t>(width * channels) : narrow_.size()),
      sums_(across_rows_.size() * line_, half) {}

void RowResizer::add(const std::uint8_t* row) {
  const std::int64_t y = orientation_.rows_reversed ? height_ - 1 - next_ : next_;
  ++next_;
  if (orientation_.columns_reversed) {
    row_.resize(static_cast<std::size_t>(width_ * channels));
    for (std::int64_t x = 0; x < width_; ++x) std::copy_n(row + x * channels, channels, row_.end() - (x + 1) * channels);
    row = row_.data();
  }
  if (!orientation_.transposed) {
    along(along_rows_, row, narrow_.data(), channels);
    row = narrow_.data();
  }
  // Windows begin and end in ascending order: those that hold row y stand together.
  const auto begins_after = [](std::int64_t at, const Window& window) { return at < window.first; };
  auto window = std::upper_bound(across_rows_.begin(), across_rows_.end(), y, begins_after);
  while (window != across_rows_.begin()) {
    --window;
    const std::int64_t place = y - window->first;
    if (place >= static_cast<std::int64_t>(window->weights.size())) break;
    const std::int32_t weight = window->weights[static_cast<std::size_t>(place)];
    std::int32_t* sum = sums_.data() + static_cast<std::size_t>(window - across_rows_.begin()) * line_;
    for (std::size_t i = 0; i < line_; ++i) sum[i] += row[i] * weight;
  }
}

Image RowResizer::finish() {
  Image out{.height = to_height_, .width = to_width_};
  if (!orientation_.transposed) {
    out.pixels.resize(sums_.size());
    std::transform(sums_.begin(), sums_.end(), out.pixels.begin(), to_byte);
    return out;
  }
  out.pixels.resize(static_cast<std::size_t>(to_height_ * to_width_ * channels));
  std::vector<std::uint8_t> line(line_);
  for (std::int64_t x = 0; x < to_width_; ++x) {
    const auto sums = sums_.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(x) * line_);
    std::transform(sums, sums + static_cast<std::ptrdiff_t>(line_), line.begin(), to_byte);
    along(along_rows_, line.data(), out.pixels.data() + x * channels, to_width_ * channels);
  }
  return out;
}

Image resize_bicubic(const Image& image, std::int64_t height, std::int64_t width) {
  if (height == image.height && width == image.width) return image;
  RowResizer resizer(image.height, image.width, {}, height, width);
  for (std::int64_t y = 0; y < image.height; ++y) resizer.add(image.pixels.data() + y * image.width * channels);
  return resizer.finish();
}

}  // namespace tessera
