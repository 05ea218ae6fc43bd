#include "engine/train/class_weights.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "engine/core/error.h"

namespace tessera {
namespace {

constexpr double largest = 1e6;

std::string number_text(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

}  // namespace

std::string ClassWeights::text() const {
  if (balanced) return "balanced";
  std::string list;
  for (const double value : values) list += (list.empty() ? "" : ",") + number_text(value);
  return list.empty() ? "none" : list;
}

std::optional<ClassWeights> ClassWeights::parse(std::string_view text) {
  if (text == "none") return ClassWeights();
  if (text == "balanced") return ClassWeights::all_alike();
  ClassWeights weights;
  for (;;) {
    const std::string_view word = text.substr(0, text.find(','));
    double value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size() || !(value >= 0 && value <= largest)) return {};
    weights.values.push_back(value);
    if (word.size() == text.size()) return weights;
    text.remove_prefix(word.size() + 1);
  }
}

ClassWeights ClassWeights::resolved(std::span<const std::int32_t> labels, std::int64_t known, std::int64_t outputs) const {
  if (!*this) return {};
  const std::int64_t classes = std::max<std::int64_t>(outputs, 2);
  ClassWeights all(values);
  if (!balanced && (static_cast<std::int64_t>(values.size()) != known || known > classes))
    throw UsageError("class weights: " + std::to_string(values.size()) + " numbers for " + std::to_string(known) +
                     " classes; give one for each, in the order of their labels");
  all.values.resize(static_cast<std::size_t>(classes), 1.0);
  if (!balanced) return all;
  std::vector<double> counts(all.values.size());
  for (const std::int32_t label : labels) ++counts.at(static_cast<std::size_t>(label));
  const auto present = static_cast<double>(std::count_if(counts.begin(), counts.end(), [](double n) { return n > 0; }));
  for (std::size_t i = 0; i < counts.size(); ++i)
    if (counts[i] > 0) all.values[i] = static_cast<double>(labels.size()) / (present * counts[i]);
  return all;
}

}  // namespace tessera
