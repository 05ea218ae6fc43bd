// Photos: PNG and JPEG files, decoded by libpng and libjpeg-turbo where the build found them.
//
// The result is what Pillow's Image.open(f).convert("RGB") gives: grey is repeated over three channels, palettes are looked
// up, transparency is dropped, of 16 bits the upper 8 are kept, CMYK becomes RGB; orientation tags and colour profiles are
// not applied. (Pillow clips 16-bit grey instead.)
//
// Files are hostile: at most 64 MiB are read, and the header's size is checked against 16,777,216 pixels before memory is
// allocated; a file that is cut, damaged, or of another format is a DataError naming it and the reason. A build without the
// library refuses that format with an Error of exit code 1 that says what to install.
#pragma once

#include <filesystem>
#include <string>

#include "engine/files/io.h"
#include "engine/image/image.h"

namespace tessera {

inline constexpr std::int64_t most_image_pixels = 16 * 1024 * 1024;
inline constexpr std::uint64_t largest_image_file = std::uint64_t{64} << 20;

// By its first bytes, whatever its name. `where` names the file in errors.
Image decode_image(ByteSpan file, const std::string& where);
Image read_image(const std::filesystem::path& path);

// Does the name end as those of images do: .png, .jpg, .jpeg, in either case?
bool has_image_name(const std::filesystem::path& path);

}  // namespace tessera
