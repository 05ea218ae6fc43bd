// Building safetensors files by hand, right and wrong.
#pragma once

#include <cstdint>
#include <string>

namespace tessera::test {

inline std::string little_endian(std::uint64_t value) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xff);
  return bytes;
}

inline std::string file_of(const std::string& header, const std::string& data) {
  return little_endian(header.size()) + header + data;
}

inline std::string entry(const std::string& name, const std::string& dtype, const std::string& shape, std::uint64_t begin,
                         std::uint64_t end) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[" + std::to_string(begin) +
         "," + std::to_string(end) + "]}";
}

}  // namespace tessera::test
