// Pictures of other numbers of channels: grey (1) and red, green, blue (3).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tessera {

// Luma of ITU-R BT.601 in units of 2^-16: grey = (Σ weight·colour + 2^15) / 2^16, as Pillow's convert("L") has it. Equal
// colours give themselves.
inline constexpr std::int32_t grey_weights[] = {19595, 38470, 7471};
inline constexpr std::int32_t grey_unit = 1 << 16;

// pixels: cells of `from` channels each, one after another → of `to` channels: grey is repeated, colours become grey, and
// what has `to` channels is copied. UsageError: one of two that differ is neither 1 nor 3.
std::vector<std::uint8_t> with_channels(std::span<const std::uint8_t> pixels, std::int64_t from, std::int64_t to);

}  // namespace tessera
