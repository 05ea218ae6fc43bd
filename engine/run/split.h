// From a data folder to the sets of a recipe: which images train, which validate, which test.
#pragma once

#include <optional>

#include "engine/data/dataset.h"
#include "engine/train/recipe.h"

namespace tessera {

struct Split {
  ImageSet train, validation = {}, test;
  bool validate_on_test = false;        // validation is the test set; `validation` is then empty
  std::vector<std::string> classes;     // names of the labels after renumbering
  std::vector<std::string> notes = {};  // what differs from the recipe, for people
};

struct SplitLimits {
  std::optional<std::int64_t> train;  // the first N training images
  std::optional<std::int64_t> test;   // the first N test images, and the first N validation images
};

// DataError where nothing is left to train or test on, or where labels do not fit `outputs`.
Split split_for(Dataset&& dataset, const Recipe& recipe, const SplitLimits& limits, std::int64_t outputs);

}  // namespace tessera
