#include "engine/report/html.h"

#include <cstdint>

#include "engine/data/normal_form.h"

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

}  // namespace tessera
