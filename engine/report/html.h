// Text inside of HTML.
#pragma once

#include <string>
#include <string_view>

namespace tessera {

// The text as text, in elements and in quoted attributes: & < > " ' become entities; bytes that are not valid UTF-8 and
// control characters become U+FFFD.
std::string escape_html(std::string_view text);

// A name of foreign text among other text: kept apart from its surroundings' direction of writing, and shortened with the
// whole name on hover.
std::string name_html(const std::string& name);

}  // namespace tessera
