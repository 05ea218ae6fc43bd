#include "engine/image/orientation.h"

namespace tessera {

Orientation orientation_of(std::uint32_t number) {
  if (number < 1 || number > 8) return {};
  return {.transposed = number >= 5,
          .rows_reversed = number == 3 || number == 4 || number == 6 || number == 7,
          .columns_reversed = number == 2 || number == 3 || number == 7 || number == 8};
}

Orientation exif_orientation(ByteSpan tiff) {
  const bool big = tiff.size() >= 2 && tiff[0] == std::byte{'M'} && tiff[1] == std::byte{'M'};
  const bool little = tiff.size() >= 2 && tiff[0] == std::byte{'I'} && tiff[1] == std::byte{'I'};
  // `count` bytes from `at`; 0 beyond the end, which is no offset, type or tag that is looked for.
  const auto number = [&](std::size_t at, std::size_t count) {
    std::uint32_t value = 0;
    if (at > tiff.size() || tiff.size() - at < count) return value;
    for (std::size_t i = 0; i < count; ++i)
      value = value << 8 | std::to_integer<std::uint32_t>(tiff[at + (big ? i : count - 1 - i)]);
    return value;
  };
  constexpr std::size_t entry = 12;
  constexpr std::uint32_t orientation_tag = 0x0112, short_type = 3;
  const std::size_t directory = number(4, 4);
  if ((!big && !little) || number(2, 2) != 42 || directory < 8) return {};
  const std::size_t entries = number(directory, 2);
  for (std::size_t i = 0, at = directory + 2; i < entries && at < tiff.size(); ++i, at += entry)
    if (number(at, 2) == orientation_tag)
      return number(at + 2, 2) == short_type && number(at + 4, 4) == 1 ? orientation_of(number(at + 8, 2)) : Orientation{};
  return {};
}

}  // namespace tessera
