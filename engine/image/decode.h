// Photos: PNG and JPEG files, decoded by libpng and libjpeg-turbo where the build found them.
//
// The result is what Pillow's ImageOps.exif_transpose(Image.open(f)).convert("RGB") gives: the picture is turned upright by
// its orientation tag, grey is repeated over three channels, palettes are looked up, transparency is dropped, of 16 bits the
// upper 8 are kept, CMYK becomes RGB; colour profiles are not applied. (Pillow clips 16-bit grey instead.)
//
// Files are hostile: at most 512 MiB are read, and the header's size is checked before memory is allocated. What is resized
// while it is decoded may have 268,435,456 pixels (16384x16384), since only a few rows of it are in memory; a whole picture,
// and an interlaced PNG in any case, 67,108,864. A progressive JPEG keeps its coefficients, up to 1 GiB. A file that is cut,
// damaged, or of another format is a DataError naming it and the reason. A build without the library refuses that format
// with an Error of exit code 1 that says what to install.
#pragma once

#include <atomic>
#include <filesystem>
#include <string>

#include "engine/files/io.h"
#include "engine/image/image.h"

namespace tessera {

inline constexpr std::int64_t most_whole_pixels = std::int64_t{64} << 20, most_resized_pixels = std::int64_t{256} << 20;
inline constexpr std::uint64_t largest_image_file = std::uint64_t{512} << 20;

// By its first bytes, whatever its name. `where` names the file in errors; once `stop` is set: Interrupted.
Image decode_image(ByteSpan file, const std::string& where, const std::atomic<bool>* stop = nullptr);
Image read_image(const std::filesystem::path& path, const std::atomic<bool>* stop = nullptr);

// The same followed by resize_bicubic, bit for bit, in the memory of a few rows.
struct ResizedImage {
  Image image;
  std::int64_t height = 0, width = 0;  // of the picture in the file, upright

  bool keeps_aspect() const { return height * image.width == width * image.height; }
};
ResizedImage decode_resized(ByteSpan file, const std::string& where, std::int64_t height, std::int64_t width,
                            const std::atomic<bool>* stop = nullptr);
ResizedImage read_resized(const std::filesystem::path& path, std::int64_t height, std::int64_t width,
                          const std::atomic<bool>* stop = nullptr);

// Does the name end as those of images do: .png, .jpg, .jpeg, in either case?
bool has_image_name(const std::filesystem::path& path);

}  // namespace tessera
