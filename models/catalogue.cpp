#include "models/catalogue.h"

#include <string>
#include <vector>

#include "engine/core/error.h"

namespace tessera {

#define TESSERA_NETWORK(id) NetworkEntry describe_##id();
#include "models/networks.def"
#undef TESSERA_NETWORK

std::span<const NetworkEntry> catalogue() {
  static const std::vector<NetworkEntry> entries = {
#define TESSERA_NETWORK(id) describe_##id(),
#include "models/networks.def"
#undef TESSERA_NETWORK
  };
  return entries;
}

std::unique_ptr<Network> NetworkEntry::make(const NetworkOptions& options) const {
  if (options.dropout && !has_dropout) throw UsageError(std::string("--dropout: ") + id + " has no dropout layer");
  if (!options.residual && !has_residual_option)
    throw UsageError(std::string("--no-residual: ") + id + " has no variant without residual adds");
  return build(options);
}

const Recipe& NetworkEntry::recipe_called(std::string_view name) const {
  if (name == "tutorial") return recipe;
  if (name == "fast" && fast) return *fast;
  std::string with;
  for (const NetworkEntry& entry : catalogue())
    if (entry.fast) with += (with.empty() ? "" : ", ") + std::string(entry.id);
  throw UsageError("--recipe " + std::string(name) + ": " + id + " has only its tutorial's recipe; fast: " + with);
}

const NetworkEntry* find_network(std::string_view id) {
  for (const NetworkEntry& entry : catalogue())
    if (entry.id == id) return &entry;
  return nullptr;
}

const NetworkEntry& require_network(std::string_view id) {
  if (const NetworkEntry* entry = find_network(id)) return *entry;
  std::string known;
  for (const NetworkEntry& entry : catalogue()) known += (known.empty() ? "" : ", ") + std::string(entry.id);
  throw UsageError("no network is called '" + std::string(id) + "'; there are: " + known);
}

}  // namespace tessera
