#include "engine/report/html.h"

#include "engine/core/foreign_text.h"
#include "engine/report/text.h"

namespace tessera {

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character c = first_character(text);
    if (!is_harmless(c) && c.code != '\n' && c.code != '\t')
      out += "\xEF\xBF\xBD";
    else if (c.code == '&')
      out += "&amp;";
    else if (c.code == '<')
      out += "&lt;";
    else if (c.code == '>')
      out += "&gt;";
    else if (c.code == '"')
      out += "&quot;";
    else if (c.code == '\'')
      out += "&#39;";
    else
      out += text.substr(0, c.size);
    text.remove_prefix(c.size);
  }
  return out;
}

std::string name_html(const std::string& name) {
  const std::string shown = shortened(name);
  return (shown == name ? "<bdi>" : "<bdi title=\"" + escape_html(name) + "\">") + escape_html(shown) + "</bdi>";
}

}  // namespace tessera
