#include "engine/report/html.h"

#include <algorithm>
#include <cstdint>

#include "engine/data/normal_form.h"
#include "engine/report/text.h"

namespace tessera {

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text.substr(i));
    const char c = text[i];
    const bool control = length == 1 && (static_cast<std::uint8_t>(c) < 0x20 || c == 0x7f) && c != '\n' && c != '\t';
    if (length == 0 || control)
      out += "\xEF\xBF\xBD";
    else if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (c == '\'')
      out += "&#39;";
    else
      out += text.substr(i, length);
    i += length ? length : 1;
  }
  return out;
}

std::string isolated(std::string_view name) {
  if (std::none_of(name.begin(), name.end(), [](char c) { return static_cast<std::uint8_t>(c) >= 0x80; }))
    return std::string(name);
  constexpr std::string_view begin = "\u2068", end = "\u2069";
  std::string inside(name);
  for (std::size_t at = 0; (at = inside.find(end, at)) != inside.npos;) inside.erase(at, end.size());
  return std::string(begin) + inside + std::string(end);
}

std::string name_html(const std::string& name) {
  const std::string cut = shortened(name, longest_shown_name);
  return cut == name ? escape_html(isolated(name))
                     : "<bdi title=\"" + escape_html(isolated(name)) + "\">" + escape_html(isolated(cut)) + "</bdi>";
}

}  // namespace tessera
