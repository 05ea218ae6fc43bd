// PNG, written: 8-bit RGB images in the one form that every viewer reads.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "engine/files/io.h"

namespace tessera {

// rgb: [height, width, 3], rows from the top. The same pixels always give the same bytes. ShapeError where the sizes are
// not positive or do not fit the pixels. Source: PNG, third edition, W3C 2025.
Bytes encode_png(std::int64_t width, std::int64_t height, std::span<const std::uint8_t> rgb);

// RFC 4648, section 4, with padding.
std::string base64(ByteSpan bytes);

// "data:image/png;base64,…": an image inside of an HTML page.
std::string png_data_uri(std::int64_t width, std::int64_t height, std::span<const std::uint8_t> rgb);

}  // namespace tessera
