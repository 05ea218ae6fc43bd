// What alter_images and mix_images draw for an image: pure functions of seed, epoch and the image's place in the epoch's
// order, the same on every backend.
//
//   stream = epoch, index = 4·place + what is drawn (0 jitter, 1 cutout, 2 mixture, 3 the mixture's box)
#pragma once

#include <math.h>

#include "kernels/params.h"
#include "kernels/philox.h"

namespace tessera::kernels {

TESSERA_HOST_DEVICE inline Random4 alteration(std::uint64_t seed, std::int64_t epoch, std::int64_t place,
                                              std::uint64_t what) {
  return philox(seed, Purpose::alter, static_cast<std::uint64_t>(epoch), 4 * static_cast<std::uint64_t>(place) + what);
}

// Factors, each even over 1 − jitter … 1 + jitter. With v = x·std + mean, in this order, each result held in 0 … 1:
//   brightness  v ← b·v
//   contrast    v ← c·v + (1 − c)·(mean over the image of grey)
//   saturation  v ← s·v + (1 − s)·grey,   grey = 0.299·R + 0.587·G + 0.114·B (ITU-R 601; one channel: that channel)
// (torchvision's ColorJitter, whose order is random.)
struct Jitter {
  float brightness, contrast, saturation;
};
TESSERA_HOST_DEVICE inline Jitter jitter_of(const AlterParams& p, std::int64_t epoch, std::int64_t place) {
  const Random4 r = alteration(p.seed, epoch, place, 0);
  const float least = 1.0f - p.jitter, range = 2.0f * p.jitter;
  return {least + range * to_unit(r.v[0]), least + range * to_unit(r.v[1]), least + range * to_unit(r.v[2])};
}

// Rows top … bottom − 1, columns left … right − 1.
struct Box {
  std::int32_t top, bottom, left, right;
  TESSERA_HOST_DEVICE bool holds(std::int64_t row, std::int64_t column) const {
    return row >= top && row < bottom && column >= left && column < right;
  }
};
TESSERA_HOST_DEVICE inline std::int32_t within(std::int32_t x, std::int32_t most) { return x < 0 ? 0 : x < most ? x : most; }
// A box of that size about a cell that is drawn evenly, what lies outside the image cut off.
TESSERA_HOST_DEVICE inline Box box_of(const Random4& r, std::int32_t rows, std::int32_t columns, std::int32_t height,
                                      std::int32_t width) {
  const std::int32_t top = static_cast<std::int32_t>(r.v[0] % static_cast<std::uint32_t>(height)) - rows / 2;
  const std::int32_t left = static_cast<std::int32_t>(r.v[1] % static_cast<std::uint32_t>(width)) - columns / 2;
  return {within(top, height), within(top + rows, height), within(left, width), within(left + columns, width)};
}

// DeVries & Taylor 2017.
TESSERA_HOST_DEVICE inline Box cutout_of(const AlterParams& p, std::int64_t epoch, std::int64_t place, std::int32_t height,
                                         std::int32_t width) {
  return box_of(alteration(p.seed, epoch, place, 1), p.cutout, p.cutout, height, width);
}

// mixup (Zhang et al. 2018): the share λ is even over 0 … 1, Beta(1, 1). cutmix (Yun et al. 2019): so is the λ by which the
// box has the sides h·√(1−λ) and w·√(1−λ), rounded down, before it is cut off.
struct Mixture {
  bool cut;     // else a mean
  float share;  // of the image itself
  Box box;      // where the other one shows
};
TESSERA_HOST_DEVICE inline Mixture mixture_of(const MixParams& p, std::int64_t epoch, std::int64_t place,
                                              std::int32_t height, std::int32_t width) {
  const Random4 r = alteration(p.seed, epoch, place, 2);
  const float share = to_unit(r.v[0]);
  if (!(p.cutmix && (!p.mixup || (r.v[1] & 1u) != 0))) return {false, share, {0, 0, 0, 0}};
  const float side = sqrtf(1.0f - share);
  const Box box = box_of(alteration(p.seed, epoch, place, 3), static_cast<std::int32_t>(side * static_cast<float>(height)),
                         static_cast<std::int32_t>(side * static_cast<float>(width)), height, width);
  const std::int32_t cells = (box.bottom - box.top) * (box.right - box.left);
  return {true, 1.0f - static_cast<float>(cells) / static_cast<float>(height * width), box};
}

}  // namespace tessera::kernels
