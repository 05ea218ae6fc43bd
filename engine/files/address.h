// What is said where a file is missing because its name is an address.
#pragma once

#include <filesystem>

namespace tessera {

// "; an address is not read: download it first", of https://… and the like; else nothing.
inline const char* advice_on_address(const std::filesystem::path& path) {
  return path.string().find("://") == std::string::npos ? "" : "; an address is not read: download it first";
}

}  // namespace tessera
