// PNG files built chunk by chunk, right and wrong.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <stdexcept>
#include <string>

#include "engine/files/io.h"

namespace tessera::test {

inline std::string big_endian(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

inline std::string chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const auto sum = ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian(static_cast<std::uint32_t>(data.size())) + body + big_endian(static_cast<std::uint32_t>(sum));
}

inline std::string deflated(const std::string& text) {
  uLongf size = compressBound(text.size());
  std::string out(size, '\0');
  if (compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(text.data()), text.size()) !=
      Z_OK)
    throw std::runtime_error("compress failed");
  out.resize(size);
  return out;
}

inline const std::string png_signature = "\x89PNG\r\n\x1a\n";
// colour: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha
inline std::string png_header(std::uint32_t width, std::uint32_t height, int bits, int colour, int interlace = 0) {
  return png_signature + chunk("IHDR", big_endian(width) + big_endian(height) + static_cast<char>(bits) +
                                           static_cast<char>(colour) + std::string(2, '\0') + static_cast<char>(interlace));
}
// `rows`: each row begins with its filter, 0.
inline std::string png_end(const std::string& rows) { return chunk("IDAT", deflated(rows)) + chunk("IEND", ""); }

// The message of the error of type E that `action` throws; empty where it throws none.
template <class E, class Action>
std::string error_of(const Action& action) {
  try {
    action();
  } catch (const E& e) {
    return e.what();
  }
  return "";
}

}  // namespace tessera::test
