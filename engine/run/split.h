// From a data folder to the sets of a recipe: which images train, which validate, which test.
//
// Cuts (validation, limits) keep the order of the files. Where images come shuffled, as the official files have them, a cut
// is the first or the last images, as in the tutorials. Where they come class by class, as folders do, it is taken from each
// class in proportion, the last or the first images of each: every cut then holds all classes.
#pragma once

#include <optional>

#include "engine/data/dataset.h"
#include "engine/train/recipe.h"

namespace tessera {

struct Split {
  ImageSet train, validation = {}, test;
  bool validate_on_test = false;          // validation is the test set; `validation` is then empty
  std::vector<std::string> classes = {};  // names of the labels after renumbering
  std::vector<std::string> cuts = {};     // how the data was cut, for people
  std::vector<std::string> notes = {};    // what differs from the recipe, for people
};

struct SplitLimits {
  std::optional<std::int64_t> train;  // so many training images
  std::optional<std::int64_t> test;   // so many test images, and so many validation images
};

struct SplitUse {
  // Names that saved weights have for their labels 0, 1, …; empty: they have none. Data then meets them by name, in any
  // normal form: images of other classes are left out, and recipe.classes, which chooses by label, plays no part.
  std::vector<std::string> known_classes = {};
  bool training = true;  // else nothing is asked of the training images, nor said of what only training needs
};

// DataError where nothing is left to train on, where labels do not fit `outputs`, or where no name is known to the weights.
Split split_for(Dataset&& dataset, const Recipe& recipe, const SplitLimits& limits, std::int64_t outputs,
                const SplitUse& use = {});

}  // namespace tessera
