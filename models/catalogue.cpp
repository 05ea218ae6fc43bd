#include "models/catalogue.h"

#include <string>
#include <vector>

#include "engine/core/error.h"

namespace tessera {

#define TESSERA_NETWORK(id) NetworkEntry describe_##id();
#include "models/networks.def"
#undef TESSERA_NETWORK

namespace {

std::string list_of(bool (*wanted)(const NetworkEntry&)) {
  std::string list;
  for (const NetworkEntry& entry : catalogue())
    if (wanted(entry)) list += (list.empty() ? "" : ", ") + std::string(entry.id);
  return list;
}

}  // namespace

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
  if (options.image_size && !any_image_size)
    throw UsageError("--image-size: " + std::string(id) +
                     " flattens its last map, so that its linear layer fits one size of " +
                     "image only; networks that end in a global pool take any: " +
                     list_of([](const NetworkEntry& entry) { return entry.any_image_size; }));
  std::unique_ptr<Network> network = build(options);
  const Shape usual = network->input();
  network->set_input({options.image_size.value_or(usual[0]), options.image_size.value_or(usual[1]), options.channels});
  return network;
}

const Recipe& NetworkEntry::recipe_called(std::string_view name) const {
  if (name == "tutorial") return recipe;
  if (name == "fast" && fast) return *fast;
  throw UsageError("--recipe " + std::string(name) + ": " + id + " has only its tutorial's recipe; fast: " +
                   list_of([](const NetworkEntry& entry) { return entry.fast.has_value(); }));
}

const NetworkEntry* find_network(std::string_view id) {
  for (const NetworkEntry& entry : catalogue())
    if (entry.id == id) return &entry;
  return nullptr;
}

const NetworkEntry& require_network(std::string_view id) {
  if (const NetworkEntry* entry = find_network(id)) return *entry;
  throw UsageError("no network is called '" + std::string(id) +
                   "'; there are: " + list_of([](const NetworkEntry&) { return true; }));
}

}  // namespace tessera
