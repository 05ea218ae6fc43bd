#include "models/saved_network.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "engine/core/error.h"
#include "engine/run/int8_file.h"
#include "engine/run/own_names.h"
#include "engine/run/weights.h"

namespace tessera {
namespace {

// Digits alone, at most `most`.
std::optional<std::int64_t> whole_number(const std::string& text, std::int64_t most) {
  std::int64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || end != text.data() + text.size() || number < 0 || number > most) return std::nullopt;
  return number;
}

}  // namespace

RunConfig config_of(const TensorFile& file, const std::string& network) {
  const auto metadata_of = [&](const char* key) {
    const auto found = file.metadata().find(key);
    return found == file.metadata().end() ? std::string() : found->second;
  };
  RunConfig config;
  config.network = network.empty() ? metadata_of("network") : network;
  if (config.network.empty())
    throw WeightsError(file.where() + ": the file does not say which network it is of; give --network");
  if (network.empty() && !find_network(config.network))
    throw WeightsError(file.where() + ": weights of " + printable(config.network) +
                       ", a network that this build does not have");
  const NetworkEntry& entry = require_network(config.network);
  config.recipe = entry.recipe;

  const auto malformed = [&](const char* key, const std::string& value) {
    return WeightsError(file.where() + ": metadata '" + key + "' is " + printable(value) + ", which network " +
                        config.network + " cannot have");
  };
  if (const std::string outputs = metadata_of("outputs"); !outputs.empty()) {
    const std::optional<std::int64_t> number = whole_number(outputs, 1'000'000);
    if (!number || *number == 0) throw malformed("outputs", outputs);
    config.network_options.outputs = number;
  }
  config.network_options.residual = metadata_of("residual") != "false";
  if (!config.network_options.residual && !entry.has_residual_option) throw malformed("residual", "false");
  if (const std::string size = metadata_of("image_size"); !size.empty()) {
    const std::optional<std::int64_t> number = whole_number(size, 4096);
    if (!number || *number == 0 || !entry.any_image_size) throw malformed("image_size", size);
    config.network_options.image_size = number;
  }
  if (const std::string channels = metadata_of("channels"); !channels.empty()) {
    const std::optional<std::int64_t> number = whole_number(channels, Normalization::most_channels);
    if (!number || *number == 0) throw malformed("channels", channels);
    config.network_options.channels = *number;
  }
  const std::string text = metadata_of("normalization");
  const std::optional<Normalization> normalization = text.empty() ? config.recipe.normalization : Normalization::parse(text);
  if (!normalization) throw malformed("normalization", text);
  try {
    config.recipe.normalization = normalization->of_channels(config.network_options.channels);
  } catch (const UsageError&) {
    throw malformed("normalization", normalization->text());
  }
  if (file.metadata().contains("labels")) {  // absent: of another program
    config.recipe.classes.clear();
    std::istringstream labels(metadata_of("labels"));
    for (std::string label; std::getline(labels, label, ',');) {
      const std::optional<std::int64_t> number = whole_number(label, 1'000'000);
      if (!number) throw malformed("labels", labels.str());
      config.recipe.classes.push_back(static_cast<std::int32_t>(*number));
    }
  }
  return config;
}

std::vector<std::string> class_names_of(const TensorFile& file) {
  std::vector<std::string> names;
  const auto found = file.metadata().find("classes");
  if (found == file.metadata().end()) return names;
  std::istringstream list(found->second);
  for (std::string name; std::getline(list, name, ',');) names.push_back(name);
  return names;
}

SavedNetwork load_network(const TensorFile& file, const RunConfig& config, const std::shared_ptr<Device>& device,
                          Int8Weights int8) {
  SavedNetwork saved;
  saved.network = require_network(config.network).make(config.network_options);
  try {
    const bool whole = int8 == Int8Weights::accepted && is_int8(file);
    const TensorFile own = whole ? own_names(floats_of_int8(file, saved.quantization), *saved.network, saved.notes)
                                 : own_names(file, *saved.network, saved.notes);
    require_weights_of(*saved.network, own);
    require_int8_of(*saved.network, file, saved.quantization);
    saved.parameters = std::make_unique<ParameterStore>(*saved.network, device, config.recipe.seed);
    for (std::string& note : load_weights(own, *saved.parameters)) saved.notes.push_back(std::move(note));
  } catch (const WeightsError& error) {
    throw WeightsError(std::string(error.what()) + " (network " + config.network + ")");
  }
  return saved;
}

}  // namespace tessera
