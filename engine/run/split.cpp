#include "engine/run/split.h"

#include <algorithm>

#include "engine/core/error.h"

namespace tessera {
namespace {

void cut(ImageSet& set, const std::optional<std::int64_t>& limit) {
  if (limit && *limit < set.count) set = slice(set, 0, *limit);
}

void check_labels(const ImageSet& set, std::int64_t outputs, const std::string& description) {
  const std::int64_t classes = outputs == 1 ? 2 : outputs;  // one sigmoid output tells two classes apart
  const auto largest = std::max_element(set.labels.begin(), set.labels.end());
  if (largest != set.labels.end() && *largest >= classes)
    throw DataError(description + ": label " + std::to_string(*largest) + " needs more than the network's " +
                    std::to_string(outputs) + (outputs == 1 ? " output" : " outputs") + "; give --outputs " +
                    std::to_string(*largest + 1));
}

}  // namespace

// Keeps the recipe's classes. A data set without those labels that has just as many classes is taken as it is.
void select_classes(Split& split, const Recipe& recipe, const std::string& description) {
  const std::vector<std::int32_t>& wanted = recipe.classes;
  const std::vector<std::string> all = std::move(split.classes);
  if (*std::max_element(wanted.begin(), wanted.end()) >= static_cast<std::int64_t>(all.size())) {
    if (all.size() != wanted.size())
      throw DataError(description + ": recipe " + recipe.id + " trains on " + std::to_string(wanted.size()) +
                      " classes chosen by their labels, the last of them " + std::to_string(wanted.back()) +
                      "; this data set has " + std::to_string(all.size()) + " classes");
    split.notes.push_back(description + ": its " + std::to_string(all.size()) + " classes are taken as they are");
    split.classes = all;
    return;
  }
  for (ImageSet* set : {&split.train, &split.validation, &split.test}) *set = keep_classes(*set, wanted);
  split.classes.clear();
  for (const std::int32_t label : wanted) split.classes.push_back(all[static_cast<std::size_t>(label)]);
}

Split split_for(Dataset&& dataset, const Recipe& recipe, const SplitLimits& limits, std::int64_t outputs) {
  Split split{.train = std::move(dataset.train), .test = std::move(dataset.test), .classes = dataset.classes};

  if (recipe.validation == Validation::fifth_batch) {
    if (const std::optional<Part> part = dataset.part("data_batch_5")) {
      split.validation = slice(split.train, part->begin, part->end);
      ImageSet rest = slice(split.train, 0, part->begin);
      const ImageSet after = slice(split.train, part->end, split.train.count);
      rest.pixels.insert(rest.pixels.end(), after.pixels.begin(), after.pixels.end());
      rest.labels.insert(rest.labels.end(), after.labels.begin(), after.labels.end());
      rest.count += after.count;
      split.train = std::move(rest);
    }
  } else if (recipe.validation == Validation::last_tenth) {
    const std::int64_t first = split.train.count - split.train.count / 10;
    split.validation = slice(split.train, first, split.train.count);
    split.train = slice(split.train, 0, first);
  }

  if (!recipe.classes.empty()) select_classes(split, recipe, dataset.description);
  for (ImageSet* set : {&split.validation, &split.test}) cut(*set, limits.test);
  cut(split.train, limits.train);

  if (split.train.count == 0) throw DataError(dataset.description + ": no image is left to train on");
  split.validate_on_test = recipe.validation == Validation::test_set && split.test.count > 0;
  if (recipe.validation != Validation::none && split.validation.count == 0 && !split.validate_on_test)
    split.notes.push_back(dataset.description + ": nothing is left for validation; training goes on without");
  if (split.test.count == 0) split.notes.push_back(dataset.description + ": no test images; the closing test is left out");
  for (const ImageSet* set : {&split.train, &split.validation, &split.test})
    check_labels(*set, outputs, dataset.description);
  return split;
}

}  // namespace tessera
