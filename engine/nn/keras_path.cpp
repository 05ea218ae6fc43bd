#include "engine/nn/keras_path.h"

#include <algorithm>

namespace tessera {
namespace {

bool is_number(std::string_view text) { return !text.empty() && text.find_first_not_of("0123456789") == text.npos; }

std::string_view take_part(std::string_view& rest) {
  const std::string_view part = rest.substr(0, rest.find('.'));
  rest.remove_prefix(std::min(rest.size(), part.size() + 1));
  return part;
}

}  // namespace

std::string keras_path(std::string_view layer, std::span<const KerasPart> parts) {
  std::string path;
  while (!layer.empty()) {
    std::string own(take_part(layer)), number;
    if (std::string_view rest = layer; is_number(take_part(rest))) {
      number = layer.substr(0, layer.find('.'));
      own += ".*";
      layer = rest;
    }
    const auto known = std::find_if(parts.begin(), parts.end(), [&](const KerasPart& part) { return part.own == own; });
    std::string keras(known == parts.end() ? own : known->keras);
    if (const std::size_t star = keras.find('*'); star != keras.npos)
      keras.replace(star, 1, number == "0" ? "" : "_" + number);
    path += (path.empty() ? "" : "/") + keras;
  }
  return path;
}

}  // namespace tessera
