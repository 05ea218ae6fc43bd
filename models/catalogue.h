// The catalogue of networks: what each is called, how it is built, how its tutorial trains it.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "engine/nn/network.h"
#include "engine/train/recipe.h"

namespace tessera {

struct NetworkEntry {
  const char* id;
  const char* description;
  std::unique_ptr<Network> (*make)(const NetworkOptions& options);
  Recipe recipe;
};

std::span<const NetworkEntry> catalogue();

// Null where there is none of that id.
const NetworkEntry* find_network(std::string_view id);

// UsageError listing the ids there are.
const NetworkEntry& require_network(std::string_view id);

}  // namespace tessera
