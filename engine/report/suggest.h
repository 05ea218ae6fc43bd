// What somebody who mistyped a word may have meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tessera {

// The word of `known` that takes the fewest insertions, deletions, replacements and swaps of neighbours to reach; empty
// where none is near (more than a third of its letters differ). Upper and lower case are the same.
std::string nearest_word(std::string_view word, const std::vector<std::string>& known);

// "; did you mean 'resnet18'?", or nothing.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

}  // namespace tessera
