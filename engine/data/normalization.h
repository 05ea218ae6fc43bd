// How bytes become a network's numbers: x = (byte/255 − mean)/std, for each channel.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tessera {

struct Normalization {
  std::array<float, 3> mean{0, 0, 0}, std{1, 1, 1};

  bool operator==(const Normalization&) const = default;

  // One of the names below, or else the values: "0.49,0.48,0.45/0.2,0.2,0.2" (means / standard deviations).
  std::string text() const;
  // The reverse; none where it is neither a name nor such values (finite, deviations above 0).
  static std::optional<Normalization> parse(std::string_view text);

  static const Normalization none, cifar10, cifar10_true;
};

inline constexpr Normalization Normalization::none{};  // byte/255
// The values that tutorials give for CIFAR-10.
inline constexpr Normalization Normalization::cifar10{{0.4914f, 0.4822f, 0.4465f}, {0.2023f, 0.1994f, 0.2010f}};

// Those of its training images' pixels.
inline constexpr Normalization Normalization::cifar10_true{{0.4914f, 0.4822f, 0.4465f}, {0.2470f, 0.2435f, 0.2616f}};

struct NamedNormalization {
  const char* name;
  Normalization value;
};
std::span<const NamedNormalization> named_normalizations();

}  // namespace tessera
