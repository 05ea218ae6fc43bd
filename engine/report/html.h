// Text inside of HTML.
#pragma once

#include <string>
#include <string_view>

namespace tessera {

// The text as text, in elements and in quoted attributes: & < > " ' become entities; bytes that are not valid UTF-8 and
// control characters become U+FFFD.
std::string escape_html(std::string_view text);

// A name from outside that stands among other text. Beyond ASCII it is isolated (U+2068 … U+2069), so that what is written
// from right to left, or overrides the direction, ends where it does.
std::string isolated(std::string_view name);

// The same in an element: cut to 24 characters, with the whole name on hover where that is not all of it.
std::string name_html(const std::string& name);

}  // namespace tessera
