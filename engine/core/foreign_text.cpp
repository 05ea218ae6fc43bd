#include "engine/core/foreign_text.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <iterator>

namespace tessera {

Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return {lead, 1, false};
  std::uint32_t code = lead & (0xffu >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {lead, 1, false};
    code = code << 6 | (byte(i) & 0x3fu);
  }
  constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < least[size] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return {lead, 1, false};
  return {code, size, true};
}

bool is_harmless(Character c) {
  struct Range {
    std::uint32_t first, last;
  };
  constexpr Range harmful[] = {{0, 0x1f},        {0x7f, 0x9f},     {0x61c, 0x61c},
                               {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x2069}};
  return c.valid && std::none_of(std::begin(harmful), std::end(harmful),
                                 [&](const Range& r) { return c.code >= r.first && c.code <= r.last; });
}

std::string escaped(std::string_view text, Keep keep) {
  std::string out;
  while (!text.empty()) {
    const Character c = first_character(text);
    char escape[16];
    if (is_harmless(c) || (c.valid && keep != Keep::nothing && (c.code == '\n' || c.code == '\t')))
      out += text.substr(0, c.size);
    else if (keep == Keep::json)
      out.append(escape,
                 static_cast<std::size_t>(std::snprintf(escape, sizeof escape, "\\u%04x", c.valid ? c.code : 0xfffdu)));
    else
      out.append(escape, static_cast<std::size_t>(std::snprintf(escape, sizeof escape,
                                                                c.valid && c.code > 0x7f ? "\\u{%x}" : "\\x%02x", c.code)));
    text.remove_prefix(c.size);
  }
  return out;
}

std::string printable(std::string_view text) {
  constexpr std::size_t longest = 80;
  std::size_t end = 0;
  while (end < text.size()) {
    const std::size_t next = end + first_character(text.substr(end)).size;
    if (next > longest) break;
    end = next;
  }
  return "'" + escaped(text.substr(0, end)) + (end < text.size() ? "…'" : "'");
}

}  // namespace tessera
