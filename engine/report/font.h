// A bitmap font for labels in pictures: printable ASCII, five columns of eight rows a letter.
#pragma once

#include <array>
#include <cstdint>

namespace tessera {

inline constexpr std::int64_t letter_width = 5, letter_height = 8, letter_advance = 6;

// Columns from left to right; bit 0 is the top row, bit 6 the base line, bit 7 below it. A box for what is not ASCII.
std::array<std::uint8_t, 5> letter(char c);

}  // namespace tessera
