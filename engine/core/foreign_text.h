// Foreign text (names, class names, metadata, paths) made harmless before it is shown: a terminal obeys control characters,
// and bidirectional controls let a line read otherwise than it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tessera {

// Escaped are control characters (C0, DEL, C1), bidirectional controls, line and paragraph separators, and bytes that are
// not UTF-8: as \xNN (one byte) or \u{202e}. Everything else stays as it is.
enum class Keep {
  nothing,
  lines,  // line ends and tabs stay: for text of several lines
  json,   // the text is JSON: line ends and tabs stay, and what is escaped becomes \u202e, as JSON writes it
};
std::string escaped(std::string_view text, Keep keep = Keep::nothing);

// The character at the front of a text that is not empty (Unicode 15, table 3-7).
struct Character {
  std::uint32_t code = 0;
  std::size_t size = 1;  // bytes
  bool valid = false;    // else one byte that is not UTF-8
};
Character first_character(std::string_view text);
bool is_harmless(Character character);  // valid, and none of those that are escaped

// For messages: escaped, in quotes, cut to 80 bytes at a character's end.
std::string printable(std::string_view text);

}  // namespace tessera
