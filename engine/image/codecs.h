// The decoders behind decode_image. Internal to engine/image.
#pragma once

#include "engine/image/decode.h"

namespace tessera {

Image decode_png(ByteSpan file, const std::string& where);
Image decode_jpeg(ByteSpan file, const std::string& where);

// Makes room for an image of the size its header claims; DataError where that is empty or too large.
inline Image image_of(std::uint64_t width, std::uint64_t height, const std::string& where) {
  constexpr auto most = static_cast<std::uint64_t>(most_image_pixels);
  if (width == 0 || height == 0 || width > most || height > most || width * height > most)
    throw DataError(where + ": an image of " + std::to_string(width) + "x" + std::to_string(height) +
                    " pixels; 1 to 16777216 pixels are read");
  Image image{.height = static_cast<std::int64_t>(height), .width = static_cast<std::int64_t>(width)};
  image.pixels.resize(static_cast<std::size_t>(width * height * 3));
  return image;
}

}  // namespace tessera
