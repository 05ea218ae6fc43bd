// How bytes become a network's numbers: x = (byte/255 − mean)/std, for each channel.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tessera {

struct Normalization {
  static constexpr std::int64_t most_channels = 4;
  std::array<float, most_channels> mean{0, 0, 0, 0}, std{1, 1, 1, 1};  // those of the first `channels` count
  std::int64_t channels = 3;

  bool operator==(const Normalization& other) const {
    return channels == other.channels && std::equal(mean.begin(), mean.begin() + channels, other.mean.begin()) &&
           std::equal(std.begin(), std.begin() + channels, other.std.begin());
  }

  // The same for images of so many channels: what is alike for all of its channels is so for any number of them, and three of
  // colour become one of grey (channels.h): the mean is grey's own, mean = Σ weight·mean of a colour; std = Σ weight·std is
  // grey's own where colours go together, and above it elsewhere. UsageError for other numbers.
  Normalization of_channels(std::int64_t count) const;

  // One of the names below, those made for other numbers of channels too, or else the values:
  // "0.49,0.48,0.45/0.2,0.2,0.2" (means / standard deviations).
  std::string text() const;
  // The reverse; none where it is neither a name (of three channels then) nor such values (finite, deviations above 0).
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
