// What the tests of data sets share: temporary folders, and files in the formats' layouts.
#pragma once

#include <stdlib.h>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/core/error.h"
#include "tests/temporary_folder.h"

namespace tessera::test {

namespace fs = std::filesystem;

using tests::TemporaryFolder;

inline void put(const fs::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

// One CIFAR-10 record: byte i of plane c is 50·c + i mod 50, so that a swapped plane, row or column is seen.
inline std::string cifar_record(int label) {
  std::string record(1, static_cast<char>(label));
  for (int c = 0; c < 3; ++c)
    for (int i = 0; i < 1024; ++i) record += static_cast<char>(50 * c + i % 50);
  return record;
}

inline std::string cifar_records(const std::vector<int>& labels) {
  std::string file;
  for (const int label : labels) file += cifar_record(label);
  return file;
}

inline std::string big_endian(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

inline std::string idx_file(const std::vector<std::uint32_t>& extents, const std::string& elements) {
  std::string file{'\0', '\0', '\x08', static_cast<char>(extents.size())};
  for (const std::uint32_t extent : extents) file += big_endian(extent);
  return file + elements;
}

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
