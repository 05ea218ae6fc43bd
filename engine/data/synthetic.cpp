// Integers throughout, so that every machine and compiler gives the same bytes.
#include "engine/data/synthetic.h"

#include <algorithm>
#include <string>

#include "engine/core/error.h"
#include "kernels/philox.h"

namespace tessera {
namespace {

using kernels::philox;
using kernels::Purpose;

constexpr std::int64_t own_side = 32, largest_side = 1024, channels = 3, classes = 10;
constexpr std::int64_t most_images = 1'000'000;

struct Pattern {
  const char* name;
  std::int32_t across, down;      // periods over the width and the height
  std::int32_t colour[channels];  // amplitude of the wave in red, green, blue, of 64
};
constexpr Pattern patterns[classes] = {
    {"upright red", 2, 0, {64, 20, 20}},    {"level green", 0, 2, {20, 64, 20}},  {"falling blue", 2, 2, {20, 20, 64}},
    {"rising yellow", 2, -2, {64, 64, 10}}, {"upright cyan", 4, 0, {10, 64, 64}}, {"level magenta", 0, 4, {64, 10, 64}},
    {"falling grey", 4, 4, {50, 50, 50}},   {"rising red", 4, -4, {64, 20, 20}},  {"steep green", 5, 1, {20, 64, 20}},
    {"flat blue", 1, 5, {20, 20, 64}},
};

// Triangle wave: 256 phase steps a period, values -128 … 128.
constexpr std::int32_t wave(std::int32_t phase) {
  const std::int32_t t = phase & 255;
  return t < 128 ? 2 * t - 128 : 384 - 2 * t;
}

void draw(std::uint64_t seed, std::uint64_t stream, const Pattern& pattern, std::int32_t side, std::uint8_t* image) {
  const kernels::Random4 r = philox(seed, Purpose::synthetic, stream, 0);
  const auto phase = static_cast<std::int32_t>(r.v[0] & 255);
  const auto middle = static_cast<std::int32_t>(96 + r.v[1] % 64);    // 96 … 159
  const auto contrast = static_cast<std::int32_t>(24 + r.v[2] % 41);  // 24 … 64, the amplitude at full colour
  constexpr std::int32_t noise = 40;                                  // each byte moves by up to ±40
  kernels::Random4 block = {};
  for (std::int32_t i = 0; i < side * side * channels; ++i) {
    if (i % 16 == 0) block = philox(seed, Purpose::synthetic, stream, static_cast<std::uint64_t>(1 + i / 16));
    const std::int32_t pixel = i / channels, x = pixel % side, y = pixel / side;
    const std::int32_t w = wave(256 * (pattern.across * x + pattern.down * y) / side + phase);  // 256 phase steps a period
    const auto random = static_cast<std::int32_t>(block.v[i % 16 / 4] >> (8 * (i % 4)) & 255) - 128;
    const std::int32_t value = middle + w * contrast * pattern.colour[i % channels] / (128 * 64) + random * noise / 128;
    image[i] = static_cast<std::uint8_t>(std::clamp(value, 0, 255));
  }
}

ImageSet generate(std::int64_t count, std::uint64_t which, const OpenOptions& options) {
  if (count < 1 || count > most_images)
    throw UsageError("synthetic: " + std::to_string(count) + " images asked for; 1 to 1000000 can be generated");
  const std::int64_t side = options.image_size > 0 ? options.image_size : own_side;
  if (side > largest_side)
    throw UsageError("synthetic: images of " + std::to_string(side) + " pixels asked for; up to 1024 can be generated");
  ImageSet set{.count = count, .height = side, .width = side, .channels = channels};
  set.pixels.resize(static_cast<std::size_t>(count * set.image_size()));
  for (std::int64_t i = 0; i < count; ++i) {
    if (i % 256 == 0) poll(options);
    const std::int64_t label = i % classes;
    draw(options.seed, which << 40 | static_cast<std::uint64_t>(i), patterns[label], static_cast<std::int32_t>(side),
         set.pixels.data() + i * set.image_size());
    set.labels.push_back(static_cast<std::int32_t>(label));
  }
  return set;
}

}  // namespace

bool is_synthetic(const std::filesystem::path& word) { return word == "synthetic"; }

Dataset open_synthetic(const std::filesystem::path&, const OpenOptions& options) {
  Dataset data;
  data.train = generate(options.synthetic_train, 0, options);
  data.test = generate(options.synthetic_test, 1, options);
  data.train_parts = {{"synthetic", 0, data.train.count}};
  for (const Pattern& pattern : patterns) data.classes.emplace_back(pattern.name);
  data.description = "synthetic, seed " + std::to_string(options.seed) + ": " + std::to_string(data.train.count) +
                     " training images, " + std::to_string(data.test.count) + " test images";
  return data;
}

}  // namespace tessera
