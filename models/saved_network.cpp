#include "models/saved_network.h"

#include <charconv>

#include "engine/core/error.h"
#include "engine/train/weights.h"

namespace tessera {

RunConfig config_of(const Safetensors& file, const std::string& network) {
  const auto entry_of = [&](const char* key) {
    const auto found = file.metadata().find(key);
    return found == file.metadata().end() ? std::string() : found->second;
  };
  RunConfig config;
  config.network = network.empty() ? entry_of("network") : network;
  if (config.network.empty())
    throw WeightsError(file.where() + ": the file does not say which network it is of; give --network");
  if (network.empty() && !find_network(config.network))
    throw WeightsError(file.where() + ": weights of '" + config.network + "', a network that this build does not have");
  config.recipe = require_network(config.network).recipe;

  if (const std::string outputs = entry_of("outputs"); !outputs.empty()) {
    std::int64_t number = 0;
    const auto [end, problem] = std::from_chars(outputs.data(), outputs.data() + outputs.size(), number);
    if (problem != std::errc() || end != outputs.data() + outputs.size() || number < 1 || number > 1'000'000)
      throw WeightsError(file.where() + ": metadata 'outputs' is '" + outputs + "', not a number");
    config.network_options.outputs = number;
  }
  config.network_options.residual = entry_of("residual") != "false";
  if (const std::string word = entry_of("normalization"); word == "none" || word == "cifar10")
    config.recipe.normalization = normalization_of(word);
  return config;
}

SavedNetwork load_network(const Safetensors& file, const RunConfig& config, const std::shared_ptr<Device>& device) {
  SavedNetwork saved;
  saved.network = require_network(config.network).make(config.network_options);
  saved.parameters = std::make_unique<ParameterStore>(*saved.network, device, config.seed);
  try {
    load_weights(file, *saved.parameters);
  } catch (const WeightsError& error) {
    throw WeightsError(std::string(error.what()) + " (network " + config.network + ")");
  }
  return saved;
}

}  // namespace tessera
