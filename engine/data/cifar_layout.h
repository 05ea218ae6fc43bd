// The shape of CIFAR-10, whatever its files look like. Internal to the readers of CIFAR-10.
#pragma once

#include <cstdint>

#include "engine/data/dataset.h"

namespace tessera::cifar {

inline constexpr std::int64_t side = 32, plane = side * side, channels = 3, image_bytes = channels * plane;
inline constexpr std::int64_t classes = 10;

inline ImageSet empty_set() { return {.count = 0, .height = side, .width = side, .channels = channels}; }

inline void reserve(ImageSet& set, std::int64_t count) {
  set.labels.reserve(static_cast<std::size_t>(count));
  set.pixels.reserve(static_cast<std::size_t>(count * image_bytes));
}

// Planes R, G, B of one image become H,W,C.
inline void append(ImageSet& set, std::int32_t label, const std::uint8_t* planes) {
  set.labels.push_back(label);
  set.pixels.resize(set.pixels.size() + static_cast<std::size_t>(image_bytes));
  std::uint8_t* to = set.pixels.data() + set.count * image_bytes;
  for (std::int64_t p = 0; p < plane; ++p)
    for (std::int64_t c = 0; c < channels; ++c) to[p * channels + c] = planes[c * plane + p];
  ++set.count;
}

}  // namespace tessera::cifar
