// The catalogue of networks: what each is called, how it is built, how its tutorial trains it.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "engine/nn/network.h"
#include "engine/train/recipe.h"

namespace tessera {

struct NetworkEntry {
  const char* id;
  const char* description;
  std::unique_ptr<Network> (*build)(const NetworkOptions& options);
  Recipe recipe;
  bool has_dropout = false;          // knows NetworkOptions::dropout
  bool has_residual_option = false;  // knows NetworkOptions::residual
  bool any_image_size = false;       // ends in a global pool: knows NetworkOptions::image_size
  std::string_view keras_name = {};  // what tf.keras calls it, of networks whose layers follow one another (keras_names.h)
  std::optional<Recipe> fast = {};   // to a high accuracy in few epochs on a GPU

  // The recipe of that name: tutorial (its own) or fast. UsageError where the network has none of it.
  const Recipe& recipe_called(std::string_view name) const;

  // The network as the options want it. UsageError where they ask for a variant that it does not know.
  std::unique_ptr<Network> make(const NetworkOptions& options) const;
};

// For NetworkEntry::build.
template <class N>
std::unique_ptr<Network> build(const NetworkOptions& options) {
  return std::make_unique<N>(options);
}

std::span<const NetworkEntry> catalogue();

// Null where there is none of that id.
const NetworkEntry* find_network(std::string_view id);

// UsageError listing the ids there are.
const NetworkEntry& require_network(std::string_view id);

}  // namespace tessera
