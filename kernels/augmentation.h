// What becomes of one image of a batch: a pure function of the seed, the epoch and the image's number in the data set.
#pragma once

#include "kernels/params.h"
#include "kernels/philox.h"

namespace tessera::kernels {

struct Augmentation {
  std::int32_t row, column;  // offset of the window in the padded image: 0 … 2·padding; padding = unshifted
  bool flip;                 // of the window
};

// Draws: stream = epoch, index = sample; words 0, 1 give the offset (word mod (2·padding + 1)) in rows and columns, the low
// bit of word 2 the flip. A flip for all epochs is drawn from a stream beyond any epoch.
TESSERA_HOST_DEVICE inline Augmentation augmentation(const GatherParams& params, std::int64_t epoch, std::int64_t sample) {
  if (params.fixed) return {params.row, params.column, params.flip};
  constexpr std::uint64_t all_epochs = std::uint64_t{1} << 59;
  const std::uint64_t number = static_cast<std::uint64_t>(sample);
  const Random4 r = philox(params.seed, Purpose::augment, static_cast<std::uint64_t>(epoch), number);
  const std::uint32_t offsets = 2u * static_cast<std::uint32_t>(params.crop_padding) + 1u;
  std::uint32_t coin = r.v[2];
  if (params.alternate)
    coin = philox(params.seed, Purpose::augment, all_epochs, number).v[2] + static_cast<std::uint32_t>(epoch);
  return {static_cast<std::int32_t>(r.v[0] % offsets), static_cast<std::int32_t>(r.v[1] % offsets),
          params.flip && (coin & 1u) != 0};
}

// The cell of 0 … extent − 1 that a place less than `extent` outside of it shows where padding reflects.
TESSERA_HOST_DEVICE constexpr std::int64_t reflected(std::int64_t place, std::int64_t extent) {
  return place < 0 ? -place : place >= extent ? 2 * (extent - 1) - place : place;
}

}  // namespace tessera::kernels
