#include "engine/image/decode.h"

#include <algorithm>
#include <cctype>

#include "engine/image/codecs.h"

namespace tessera {

Image decode_image(ByteSpan file, const std::string& where) {
  const std::string_view head = text_of(file.first(std::min<std::size_t>(file.size(), 8)));
  if (head == "\x89PNG\r\n\x1a\n") return decode_png(file, where);
  if (head.starts_with("\xff\xd8\xff")) return decode_jpeg(file, where);
  throw DataError(where + ": " + (file.empty() ? "the file is empty" : "neither a PNG nor a JPEG (by its first bytes)"));
}

Image read_image(const std::filesystem::path& path) {
  return decode_image(read_file(path, largest_image_file, ExitCode::data), path.string());
}

bool has_image_name(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg";
}

}  // namespace tessera
