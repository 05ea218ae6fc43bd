#include "engine/data/normalization.h"

#include <charconv>
#include <cmath>

namespace tessera {
namespace {

constexpr NamedNormalization names[] = {
    {"none", Normalization::none}, {"cifar10", Normalization::cifar10}, {"cifar10-true", Normalization::cifar10_true}};

void append(std::string& text, const std::array<float, 3>& values) {
  for (std::size_t c = 0; c < values.size(); ++c) {
    char digits[32];
    if (c > 0) text += ',';
    text.append(digits, std::to_chars(digits, digits + sizeof digits, values[c]).ptr);
  }
}

// Three numbers with commas between them, then `end`; takes them off the front of `text`.
bool take(std::string_view& text, std::array<float, 3>& values, std::string_view end) {
  for (std::size_t c = 0; c < values.size(); ++c) {
    const auto [next, problem] = std::from_chars(text.data(), text.data() + text.size(), values[c]);
    if (problem != std::errc() || !std::isfinite(values[c])) return false;
    text.remove_prefix(static_cast<std::size_t>(next - text.data()));
    const std::string_view separator = c + 1 < values.size() ? "," : end;
    if (!text.starts_with(separator)) return false;
    text.remove_prefix(separator.size());
  }
  return true;
}

}  // namespace

std::span<const NamedNormalization> named_normalizations() { return names; }

std::string Normalization::text() const {
  for (const NamedNormalization& known : names)
    if (known.value == *this) return known.name;
  std::string values;
  append(values, mean);
  values += '/';
  append(values, std);
  return values;
}

std::optional<Normalization> Normalization::parse(std::string_view text) {
  for (const NamedNormalization& known : names)
    if (text == known.name) return known.value;
  Normalization n;
  if (!take(text, n.mean, "/") || !take(text, n.std, "") || !text.empty()) return {};
  for (const float deviation : n.std)
    if (deviation <= 0) return {};
  return n;
}

}  // namespace tessera
