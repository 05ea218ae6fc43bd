// What tests ask of text.
#pragma once

#include <string>

namespace tessera::tests {

// How often `part` stands in it, without overlaps.
inline std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

}  // namespace tessera::tests
