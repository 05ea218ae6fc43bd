#include "engine/run/split.h"

#include <algorithm>
#include <numeric>

#include "engine/core/error.h"
#include "engine/report/text.h"

namespace tessera {
namespace {

constexpr std::int64_t tenth = 10;  // one image in so many validates

std::int64_t label_count(const ImageSet& set) {
  const auto largest = std::max_element(set.labels.begin(), set.labels.end());
  return largest == set.labels.end() ? 0 : *largest + 1;
}

// Do the images come class by class? Sorted labels change as often as there are further classes. In shuffled files of n
// images with shares p of the classes, a label differs from the one before it (n - 1)(1 - sum of p^2) times; half as often
// is no chance.
bool in_groups(const ImageSet& set) {
  const std::vector<std::int64_t> counts = class_counts(set, label_count(set));
  const auto all = static_cast<double>(set.count);
  std::int64_t changes = 0, classes = 0;
  double alike = 0;
  for (std::size_t i = 1; i < set.labels.size(); ++i) changes += set.labels[i] != set.labels[i - 1];
  for (const std::int64_t count : counts) {
    classes += count > 0;
    alike += static_cast<double>(count) / all * static_cast<double>(count) / all;
  }
  const bool sorted = changes + 1 == classes && classes < set.count;
  return classes > 1 && (sorted || static_cast<double>(changes) < 0.5 * (all - 1) * (1 - alike));
}

// Images of each class so that there are `total` of them, in proportion to `counts` (rounded by largest remainders) and at
// least one of each class while they last.
std::vector<std::int64_t> quotas(const std::vector<std::int64_t>& counts, std::int64_t total) {
  const std::int64_t all = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  std::vector<std::int64_t> quota(counts.size());
  const auto share = [&](std::size_t c) {
    return static_cast<double>(counts[c]) * static_cast<double>(total) / static_cast<double>(all);
  };
  for (std::size_t c = 0; c < counts.size(); ++c)
    quota[c] = std::min(counts[c], std::max<std::int64_t>(1, static_cast<std::int64_t>(share(c))));
  std::int64_t left = total - std::accumulate(quota.begin(), quota.end(), std::int64_t{0});
  while (left != 0) {
    // The class that is furthest from its share; one with a single image gives it up only where all have but one.
    std::size_t chosen = counts.size();
    double furthest = 0;
    for (std::size_t c = 0; c < counts.size(); ++c) {
      const double lacks = share(c) - static_cast<double>(quota[c]);
      const double distance = left > 0 ? lacks : -lacks - (quota[c] == 1 ? static_cast<double>(all) : 0);
      const bool may = left > 0 ? quota[c] < counts[c] : quota[c] > 0;
      if (may && (chosen == counts.size() || distance >= furthest)) chosen = c, furthest = distance;
    }
    quota[chosen] += left > 0 ? 1 : -1;
    left += left > 0 ? -1 : 1;
  }
  return quota;
}

// The places of the first `quota[label]` images of each label, or of all but those.
std::vector<std::int64_t> places(const ImageSet& set, std::vector<std::int64_t> quota, bool others) {
  std::vector<std::int64_t> chosen;
  for (std::int64_t i = 0; i < set.count; ++i)
    if ((quota[static_cast<std::size_t>(set.labels[static_cast<std::size_t>(i)])]-- > 0) != others) chosen.push_back(i);
  return chosen;
}

std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t most = 20;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), most); ++i) text += (i > 0 ? ", " : "") + names[i];
  return text + (names.size() > most ? ", … (" + with_thousands(static_cast<std::int64_t>(names.size())) + ")" : "");
}

class Splitter {
 public:
  Splitter(Dataset&& dataset, const Recipe& recipe) : dataset_(std::move(dataset)), recipe_(recipe) {
    split_ = {.train = std::move(dataset_.train),
              .validation = std::move(dataset_.validation),
              .test = std::move(dataset_.test),
              .classes = dataset_.classes};
  }

  void cut_validation() {
    if (recipe_.validation == Validation::none) split_.validation = {};
    if (split_.validation.count > 0) {
      cut("validation: the data's own validation images");
    } else if (recipe_.validation == Validation::fifth_batch) {
      if (const std::optional<Part> part = dataset_.part("data_batch_5")) take_part(*part);
    } else if (recipe_.validation == Validation::last_tenth && split_.train.count >= tenth) {
      take_tenth();
    }
  }

  // Keeps the recipe's classes. A data set without those labels that has just as many classes is taken as it is.
  void select_by_label() {
    const std::vector<std::int32_t>& wanted = recipe_.classes;
    if (*std::max_element(wanted.begin(), wanted.end()) >= static_cast<std::int64_t>(split_.classes.size())) {
      if (split_.classes.size() != wanted.size())
        throw DataError(dataset_.description + ": recipe " + recipe_.id + " trains on " + std::to_string(wanted.size()) +
                        " classes chosen by their labels, the last of them " + std::to_string(wanted.back()) +
                        "; this data set has " + std::to_string(split_.classes.size()) + " classes");
      note("its " + std::to_string(split_.classes.size()) + " classes are taken as they are");
      return;
    }
    keep(wanted);
    std::vector<std::string> names;
    for (const std::int32_t label : wanted) names.push_back(split_.classes[static_cast<std::size_t>(label)]);
    split_.classes = std::move(names);
    cut("classes: " + listed(split_.classes));
  }

  void select_by_name(const std::vector<std::string>& known) {
    const std::vector<std::int32_t> wanted = find_labels(split_.classes, known);
    std::vector<std::string> names = known, unknown;
    std::vector<bool> met(split_.classes.size());
    for (std::size_t i = 0; i < wanted.size(); ++i)
      if (wanted[i] >= 0)
        met[static_cast<std::size_t>(wanted[i])] = true, names[i] = split_.classes[static_cast<std::size_t>(wanted[i])];
    const auto common = std::count(met.begin(), met.end(), true);
    if (common == 0)
      throw DataError(dataset_.description + ": the weights know none of its classes; the data has " +
                      listed(split_.classes) + "; the weights know " + listed(known));
    for (std::size_t i = 0; i < met.size(); ++i)
      if (!met[i]) unknown.push_back(split_.classes[i]);
    std::vector<std::int32_t> same(split_.classes.size());
    std::iota(same.begin(), same.end(), 0);
    if (wanted == same) return;
    const std::int64_t before = split_.train.count + split_.validation.count + split_.test.count;
    keep(wanted);
    const std::int64_t left_out = before - split_.train.count - split_.validation.count - split_.test.count;
    split_.classes = std::move(names);
    cut("classes: met by name, " + std::to_string(common) + " of the weights' " + std::to_string(known.size()));
    if (!unknown.empty())
      note("the weights do not know " + listed(unknown) + ": " + with_thousands(left_out) + " images are left out");
  }

  void limit(ImageSet& set, const std::optional<std::int64_t>& most, const char* name) {
    if (!most || *most >= set.count) return;
    const std::vector<std::int64_t> before = class_counts(set, label_count(set));
    const std::string of = " of " + with_thousands(set.count) + " images";
    if (in_groups(set)) {
      set = pick(set, places(set, quotas(before, *most), false));
      cut(std::string(name) + ": " + with_thousands(*most) + of + ", stratified by class");
    } else {
      set = slice(set, 0, *most);
      cut(std::string(name) + ": the first " + with_thousands(*most) + of);
    }
    note_lost_classes(before, set, name);
  }

  // What numbers of outputs and classes that differ mean, where nothing else has told them apart.
  void tell_of_outputs(std::int64_t outputs, bool training) {
    const std::int64_t told_apart = outputs == 1 ? 2 : outputs, classes = static_cast<std::int64_t>(split_.classes.size());
    const std::vector<std::int64_t> counts = class_counts(split_.train, label_count(split_.train));
    if (training && std::count_if(counts.begin(), counts.end(), [](std::int64_t count) { return count > 0; }) == 1)
      note("all training images are of one class: there is nothing to tell it from");
    if (classes == told_apart || classes == 0 || label_count(split_.train) > told_apart ||
        label_count(split_.test) > told_apart)
      return;
    const std::string sizes = std::to_string(classes) + " classes, the network " + std::to_string(told_apart);
    if (training && classes > 1)
      cut("classes: the data has " + sizes + "; --outputs " + std::to_string(classes) + " gives it as many");
    if (!training)
      note("the data has " + sizes + ", and the weights do not name theirs: labels are compared by number, 0 is " +
           split_.classes.front());
  }

  // One sigmoid output tells two classes apart.
  void check_labels(std::int64_t outputs) const {
    const std::int64_t classes = outputs == 1 ? 2 : outputs;
    for (const ImageSet* set : {&split_.train, &split_.validation, &split_.test})
      if (const std::int64_t needed = label_count(*set); needed > classes)
        throw DataError(dataset_.description + ": label " + std::to_string(needed - 1) + " needs more than the network's " +
                        std::to_string(outputs) + (outputs == 1 ? " output" : " outputs") + "; give --outputs " +
                        std::to_string(needed));
  }

  void check_training() {
    if (split_.train.count == 0) throw DataError(dataset_.description + ": no image is left to train on");
    if (recipe_.validation != Validation::none && split_.validation.count == 0 && !split_.validate_on_test)
      note("nothing is left for validation; training goes on without");
    if (split_.test.count == 0) note("no test images; the closing test is left out");
  }

  Split& split() { return split_; }

 private:
  void take_part(const Part& part) {
    split_.validation = slice(split_.train, part.begin, part.end);
    ImageSet rest = slice(split_.train, 0, part.begin);
    const ImageSet after = slice(split_.train, part.end, split_.train.count);
    rest.pixels.insert(rest.pixels.end(), after.pixels.begin(), after.pixels.end());
    rest.labels.insert(rest.labels.end(), after.labels.begin(), after.labels.end());
    rest.count += after.count;
    split_.train = std::move(rest);
    cut("validation: " + part.name);
  }

  void take_tenth() {
    const std::vector<std::int64_t> before = class_counts(split_.train, label_count(split_.train));
    if (in_groups(split_.train)) {
      std::vector<std::int64_t> stay = before;  // a class of one image trains
      for (std::int64_t& count : stay) count -= count > 1 ? std::max<std::int64_t>(1, count / tenth) : 0;
      split_.validation = pick(split_.train, places(split_.train, stay, true));
      split_.train = pick(split_.train, places(split_.train, stay, false));
      cut("validation: 10 % of the training images, stratified by class");
    } else {
      const std::int64_t first = split_.train.count - split_.train.count / tenth;
      split_.validation = slice(split_.train, first, split_.train.count);
      split_.train = slice(split_.train, 0, first);
      cut("validation: the last 10 % of the training images");
    }
    note_lost_classes(before, split_.validation, "validation");
  }

  // labels[i] becomes i in every set.
  void keep(const std::vector<std::int32_t>& labels) {
    for (ImageSet* set : {&split_.train, &split_.validation, &split_.test}) *set = keep_classes(*set, labels);
  }

  void note_lost_classes(const std::vector<std::int64_t>& before, const ImageSet& set, const char* name) {
    const std::vector<std::int64_t> after = class_counts(set, static_cast<std::int64_t>(before.size()));
    std::vector<std::string> lost;
    for (std::size_t c = 0; c < before.size(); ++c)
      if (before[c] > 0 && after[c] == 0) lost.push_back(c < split_.classes.size() ? split_.classes[c] : std::to_string(c));
    if (!lost.empty()) split_.notes.push_back(std::string(name) + ": the cut leaves no image of " + listed(lost));
  }

  void cut(const std::string& text) { split_.cuts.push_back(text); }
  void note(const std::string& text) { split_.notes.push_back(dataset_.description + ": " + text); }

  Dataset dataset_;
  const Recipe& recipe_;
  Split split_;
};

}  // namespace

Split split_for(Dataset&& dataset, const Recipe& recipe, const SplitLimits& limits, std::int64_t outputs,
                const SplitUse& use) {
  Splitter splitter(std::move(dataset), recipe);
  splitter.cut_validation();
  if (!use.known_classes.empty())
    splitter.select_by_name(use.known_classes);
  else if (!recipe.classes.empty())
    splitter.select_by_label();
  Split& split = splitter.split();
  splitter.limit(split.train, limits.train, "training");
  splitter.limit(split.validation, limits.test, "validation");
  splitter.limit(split.test, limits.test, "test");
  split.validate_on_test = recipe.validation == Validation::test_set && split.validation.count == 0 && split.test.count > 0;
  if (use.training) splitter.check_training();
  splitter.check_labels(outputs);
  if (use.known_classes.empty()) splitter.tell_of_outputs(outputs, use.training);
  return std::move(split);
}

}  // namespace tessera
