#pragma once

#include <string_view>

#include "engine/core/foreign_text.h"

namespace tessera {

inline bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const Character c = first_character(text);
    if (!c.valid) return false;
    text.remove_prefix(c.size);
  }
  return true;
}

}  // namespace tessera
