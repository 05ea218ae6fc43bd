// The portable test generator: weights, images and labels that are the same bits on any IEEE machine, in C++ here and in
// Python in oracle.py. `key` is a string, `i` the flat row-major index of an element in the tensor's file layout.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::golden {

inline constexpr std::uint64_t generator_seed = 20240601;

inline std::uint64_t fnv1a64(std::string_view text) {
  std::uint64_t h = 0xCBF29CE484222325ull;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
  return h;
}

// SplitMix64 with random access.
class GeneratorStream {
 public:
  explicit GeneratorStream(std::string_view key) : start_(fnv1a64(key) + generator_seed) {}

  std::uint64_t operator[](std::uint64_t i) const {
    std::uint64_t z = start_ + 0x9E3779B97F4A7C15ull * (i + 1);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t start_;
};

// All elements of tensor `name` of network `prefix`, in its file shape. Weights have the variance of He's rule, batch norm
// the statistics of a trained network.
inline std::vector<float> generated_tensor(const std::string& prefix, const std::string& name,
                                           const std::vector<std::int64_t>& shape) {
  std::uint64_t count = 1;
  double fan_in = 1;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    count *= static_cast<std::uint64_t>(shape[axis]);
    if (axis > 0) fan_in *= static_cast<double>(shape[axis]);
  }
  const bool mean = name.ends_with("running_mean"), variance = name.ends_with("running_var"), bias = name.ends_with("bias");
  const float weight_scale = static_cast<float>(std::sqrt(6.0 / fan_in));
  const GeneratorStream words(prefix + "/" + name);
  std::vector<float> values(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const float x = static_cast<float>(static_cast<std::int64_t>(words[i] >> 40) - (1 << 23)) / static_cast<float>(1 << 23);
    if (variance)
      values[i] = 1.0f + 0.5f * x;
    else if (mean || bias)
      values[i] = 0.125f * x;
    else if (shape.size() == 1)
      values[i] = 1.0f + 0.25f * x;
    else
      values[i] = weight_scale * x;
  }
  return values;
}

// Images of 32×32×3, blocks of colour under noise. [samples, H, W, C], values u8/255.
inline std::vector<float> generated_images(const std::string& prefix, std::int64_t samples) {
  const GeneratorStream blocks(prefix + "/golden.blocks"), noise(prefix + "/golden.input");
  std::vector<float> images(static_cast<std::size_t>(samples) * 3 * 32 * 32);
  for (std::uint64_t n = 0; n < static_cast<std::uint64_t>(samples); ++n)
    for (std::uint64_t c = 0; c < 3; ++c)
      for (std::uint64_t y = 0; y < 32; ++y)
        for (std::uint64_t x = 0; x < 32; ++x) {
          const std::uint64_t block = blocks[((n * 3 + c) * 4 + y / 8) * 4 + x / 8] >> 56;
          const std::uint64_t grain = noise[((n * 3 + c) * 32 + y) * 32 + x] >> 56;
          images[((n * 32 + y) * 32 + x) * 3 + c] = static_cast<float>((3 * block + grain) >> 2) / 255.0f;
        }
  return images;
}

inline std::vector<std::int32_t> generated_labels(const std::string& prefix, std::int64_t samples, std::int64_t outputs) {
  const GeneratorStream words(prefix + "/golden.labels");
  const auto classes = static_cast<std::uint64_t>(outputs < 2 ? 2 : outputs > 10 ? 10 : outputs);
  std::vector<std::int32_t> labels;
  for (std::uint64_t n = 0; n < static_cast<std::uint64_t>(samples); ++n)
    labels.push_back(static_cast<std::int32_t>((words[n] >> 33) % classes));
  return labels;
}

}  // namespace tessera::golden
