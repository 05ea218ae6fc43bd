#include "engine/image/channels.h"

#include <string>

#include "engine/core/error.h"

namespace tessera {

std::vector<std::uint8_t> with_channels(std::span<const std::uint8_t> pixels, std::int64_t from, std::int64_t to) {
  if (from == to) return {pixels.begin(), pixels.end()};
  for (const std::int64_t channels : {from, to})
    if (channels != 1 && channels != 3)
      throw UsageError("images of " + std::to_string(channels) +
                       " channels: pictures have 1 (grey) or 3 (red, green, blue)");
  std::vector<std::uint8_t> out;
  if (to == 3) {
    out.reserve(3 * pixels.size());
    for (const std::uint8_t grey : pixels) out.insert(out.end(), 3, grey);
    return out;
  }
  out.reserve(pixels.size() / 3);
  for (std::size_t i = 0; i + 2 < pixels.size(); i += 3) {
    std::int32_t sum = grey_unit / 2;
    for (std::size_t c = 0; c < 3; ++c) sum += grey_weights[c] * pixels[i + c];
    out.push_back(static_cast<std::uint8_t>(sum / grey_unit));
  }
  return out;
}

}  // namespace tessera
