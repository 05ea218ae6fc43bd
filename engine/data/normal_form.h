// Names of classes that look alike are alike: one normal form of Unicode for comparisons.
//
// "é" is one code point (U+00E9) or two (e, U+0301), and file systems differ in which they keep: macOS hands out the second
// form of names that everyone else types in the first. The normal form here is NFD: letters are taken apart, and marks stand
// in the order of their combining classes. Known are all letters of Unicode 14 that a normal form can put together again
// (Unicode's primary composites) except mathematical signs, and Hangul. Source: Unicode Standard Annex #15.
#pragma once

#include <string>
#include <string_view>

namespace tessera {

// Text that is not UTF-8 stays as it is.
std::string normal_form(std::string_view text);

}  // namespace tessera
