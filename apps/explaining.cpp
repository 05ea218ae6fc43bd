#include "apps/explaining.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>

#include "apps/values.h"
#include "engine/report/png.h"
#include "engine/report/text.h"

namespace tessera {

void add_explain_options(CLI::App& app, ExplainOptions& options) {
  const char* group = "Explanation";
  app.add_option("--explain", options.file,
                 "Draw over each photo what of it speaks for its class (Grad-CAM), " + std::to_string(most_explained) +
                     " photos at most, into this PNG; -: to standard output")
      ->check(png_name())
      ->default_str("none")
      ->group(group);
  app.add_option("--explain-class", options.class_name, "Explain this class, by name or number, instead of the answer")
      ->default_str("the likeliest")
      ->group(group);
  app.add_option("--explain-layer", options.layer, "The layer whose maps are looked at, by its path in the network")
      ->default_str("the last with maps of 4x4 or more")
      ->group(group);
}

Explaining::Explaining(const ExplainOptions& options, const std::vector<std::string>& names)
    : options_(options), names_(names) {
  if (options.class_name.empty()) return;
  const std::string wanted[] = {options.class_name};
  std::int64_t label = find_labels(names, wanted)[0];
  if (label < 0)
    for (std::size_t i = 0; i < names.size(); ++i)
      if (std::to_string(i) == options.class_name) label = static_cast<std::int64_t>(i);
  if (label < 0) {
    std::string known;
    for (const std::string& name : names) known += (known.empty() ? "" : ", ") + name;
    throw UsageError("--explain-class " + options.class_name + ": these weights know " + known);
  }
  label_ = static_cast<std::size_t>(label);
}

void Explaining::add(Network& network, const Normalization& normalization, const std::shared_ptr<Device>& device,
                     const Subjects& subjects, std::vector<Answer>& answers, const std::atomic<bool>* stop) {
  const std::size_t count = std::min(subjects.pictures.size(), most_explained - shown_.size());
  if (count == 0) return;
  std::vector<std::int32_t> classes;
  for (std::size_t i = 0; i < count; ++i)
    classes.push_back(static_cast<std::int32_t>(label_.value_or(answers[i].predicted)));
  maps_ = explain(network, slice(subjects.images, 0, static_cast<std::int64_t>(count)), normalization, device, classes,
                  options_.layer, stop);
  for (std::size_t i = 0; i < count; ++i) {
    const auto label = static_cast<std::size_t>(classes[i]);
    const std::span<const float> values = maps_.of(static_cast<std::int64_t>(i));
    answers[i].explained = {label, maps_.layer, maps_.rows, maps_.columns, values};
    const std::string& name = subjects.names[i];
    std::string below = name == "-" ? "standard input" : std::filesystem::path(name).filename().string();
    if (answers[i].true_class) below += ", true " + *answers[i].true_class;
    if (label != answers[i].predicted) below += ", predicted " + names_[answers[i].predicted];
    shown_.push_back({subjects.pictures[i],
                      {values.begin(), values.end()},
                      names_[label] + " " + format_fixed(100 * answers[i].probabilities[label], 1) + " %",
                      below});
  }
}

void Explaining::write(const Output& output, const std::atomic<bool>* stop) const {
  if (shown_.empty()) return;
  std::vector<Explanation> explanations;
  for (const Shown& shown : shown_)
    explanations.push_back({shown.picture, {maps_.rows, maps_.columns, shown.values}, shown.answer, shown.name});
  const Picture picture = explanation_grid(explanations);
  output.write(encode_png(picture.width, picture.height, picture.rgb), stop);
}

}  // namespace tessera
