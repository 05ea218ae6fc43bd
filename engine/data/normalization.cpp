#include "engine/data/normalization.h"

#include <charconv>
#include <cmath>

#include "engine/core/error.h"
#include "engine/image/channels.h"

namespace tessera {
namespace {

constexpr NamedNormalization names[] = {
    {"none", Normalization::none}, {"cifar10", Normalization::cifar10}, {"cifar10-true", Normalization::cifar10_true}};

using Values = std::array<float, Normalization::most_channels>;

std::string text_of(const Values& values, std::int64_t count) {
  std::string text;
  for (std::size_t c = 0; c < static_cast<std::size_t>(count); ++c) {
    char digits[32];
    if (c > 0) text += ',';
    text.append(digits, std::to_chars(digits, digits + sizeof digits, values[c]).ptr);
  }
  return text;
}

// All of `text`: numbers with commas between them. How many there are; 0 where it is anything else.
std::int64_t take(std::string_view text, Values& values) {
  for (std::size_t c = 0; c < values.size(); ++c) {
    const auto [next, problem] = std::from_chars(text.data(), text.data() + text.size(), values[c]);
    if (problem != std::errc() || !std::isfinite(values[c])) return 0;
    text.remove_prefix(static_cast<std::size_t>(next - text.data()));
    if (text.empty()) return static_cast<std::int64_t>(c) + 1;
    if (text.front() != ',') return 0;
    text.remove_prefix(1);
  }
  return 0;
}

}  // namespace

std::span<const NamedNormalization> named_normalizations() { return names; }

Normalization Normalization::of_channels(std::int64_t count) const {
  if (count == channels) return *this;
  Normalization n{.channels = count};
  const auto end = static_cast<std::ptrdiff_t>(channels);
  const auto alike = [&](const Values& values) {
    return std::equal(values.begin() + 1, values.begin() + end, values.begin());
  };
  if (count >= 1 && count <= most_channels && alike(mean) && alike(std)) {
    n.mean.fill(mean[0]), n.std.fill(std[0]);
  } else if (channels == 3 && count == 1) {
    n.mean[0] = n.std[0] = 0;
    for (std::size_t c = 0; c < 3; ++c) {
      const float weight = static_cast<float>(grey_weights[c]) / grey_unit;
      n.mean[0] += weight * mean[c], n.std[0] += weight * std[c];
    }
  } else {
    throw UsageError("a normalisation of " + std::to_string(channels) + " channels, " + text() + ", for images of " +
                     std::to_string(count));
  }
  return n;
}

std::string Normalization::text() const {
  for (const NamedNormalization& known : names)
    if (channels == 3 ? known.value == *this : channels == 1 && known.value.of_channels(1) == *this) return known.name;
  return text_of(mean, channels) + "/" + text_of(std, channels);
}

std::optional<Normalization> Normalization::parse(std::string_view text) {
  for (const NamedNormalization& known : names)
    if (text == known.name) return known.value;
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return {};
  Normalization n;
  n.channels = take(text.substr(0, slash), n.mean);
  if (n.channels == 0 || take(text.substr(slash + 1), n.std) != n.channels) return {};
  if (std::any_of(n.std.begin(), n.std.begin() + n.channels, [](float deviation) { return deviation <= 0; })) return {};
  return n;
}

}  // namespace tessera
