// From a data set to the sets of a recipe.
#include "engine/run/split.h"

#include <numeric>

#include "engine/core/error.h"
#include "tests/catch.h"

using namespace tessera;

namespace {

// Images of one byte that holds their number; labels 0, 1, 2, … in turn.
ImageSet numbered(std::int64_t count, std::int32_t classes, int first = 0) {
  ImageSet set{.count = count, .height = 1, .width = 1, .channels = 1};
  for (std::int64_t i = 0; i < count; ++i) {
    set.pixels.push_back(static_cast<std::uint8_t>(first + i));
    set.labels.push_back(static_cast<std::int32_t>(i % classes));
  }
  return set;
}

Dataset dataset(std::int32_t classes = 10) {
  Dataset data;
  data.train = numbered(60, classes);
  data.test = numbered(20, classes, 100);
  for (std::int32_t i = 0; i < classes; ++i) data.classes.push_back("class " + std::to_string(i));
  for (std::int64_t i = 0; i < 6; ++i)
    data.train_parts.push_back({"data_batch_" + std::to_string(i + 1), 10 * i, 10 * i + 10});
  data.description = "sixty images";
  return data;
}

Recipe recipe(Validation validation, std::vector<std::int32_t> classes = {}) {
  Recipe r;
  r.id = "R";
  r.validation = validation;
  r.classes = std::move(classes);
  return r;
}

std::vector<int> numbers(const ImageSet& set) { return {set.pixels.begin(), set.pixels.end()}; }

std::vector<int> range(int first, int last) {
  std::vector<int> all(static_cast<std::size_t>(last - first));
  std::iota(all.begin(), all.end(), first);
  return all;
}

}  // namespace

TEST_CASE("validation on the test set leaves every training image to training") {
  const Split split = split_for(dataset(), recipe(Validation::test_set), {}, 10);
  CHECK(numbers(split.train) == range(0, 60));
  CHECK(split.validate_on_test);
  CHECK(split.validation.count == 0);
  CHECK(split.notes.empty());
}

TEST_CASE("validation on the last tenth, or on the fifth file wherever it lies") {
  const Split tenth = split_for(dataset(), recipe(Validation::last_tenth), {}, 10);
  CHECK(numbers(tenth.train) == range(0, 54));
  CHECK(numbers(tenth.validation) == range(54, 60));
  CHECK(!tenth.validate_on_test);

  const Split fifth = split_for(dataset(), recipe(Validation::fifth_batch), {}, 10);
  std::vector<int> others = range(0, 40);
  for (const int i : range(50, 60)) others.push_back(i);
  CHECK(numbers(fifth.train) == others);
  CHECK(numbers(fifth.validation) == range(40, 50));
  CHECK(fifth.train.labels.size() == 50);

  Dataset without = dataset();
  without.train_parts = {{"synthetic", 0, 60}};
  const Split none = split_for(std::move(without), recipe(Validation::fifth_batch), {}, 10);
  CHECK(none.train.count == 60);
  CHECK(none.validation.count == 0);
  REQUIRE(none.notes.size() == 1);
  CHECK_THAT(none.notes[0], Catch::Contains("nothing is left for validation"));
}

TEST_CASE("a choice of classes is renumbered in the recipe's order, in every set") {
  const Split split = split_for(dataset(), recipe(Validation::last_tenth, {0, 1, 2, 3, 4, 5, 6, 9}), {}, 8);
  CHECK(split.classes ==
        std::vector<std::string>{"class 0", "class 1", "class 2", "class 3", "class 4", "class 5", "class 6", "class 9"});
  CHECK(numbers(split.validation) == std::vector<int>{54, 55, 56, 59});  // cut before the choice
  CHECK(split.validation.labels == std::vector<std::int32_t>{4, 5, 6, 7});
  CHECK(split.train.count == 54 - 5 - 5);
  CHECK(split.test.count == 16);

  const Split two = split_for(dataset(), recipe(Validation::test_set, {7, 8}), {.train = 3, .test = {}}, 1);
  CHECK(numbers(two.train) == std::vector<int>{7, 8, 17});  // limited behind the choice
  CHECK(two.train.labels == std::vector<std::int32_t>{0, 1, 0});
  CHECK(numbers(two.test) == std::vector<int>{107, 108, 117, 118});
}

TEST_CASE("a data set without the labels of the choice: taken as it is if it has as many classes, else an error") {
  const Split two = split_for(dataset(2), recipe(Validation::test_set, {7, 8}), {}, 1);
  CHECK(two.train.count == 60);
  CHECK(two.classes == std::vector<std::string>{"class 0", "class 1"});
  REQUIRE(two.notes.size() == 1);
  CHECK_THAT(two.notes[0], Catch::Contains("taken as they are"));
  CHECK_THROWS_WITH(split_for(dataset(5), recipe(Validation::test_set, {7, 8}), {}, 1), Catch::Contains("has 5 classes"));
}

TEST_CASE("labels beyond the network's outputs are an error that says what to do") {
  CHECK_THROWS_WITH(split_for(dataset(), recipe(Validation::test_set), {}, 8), Catch::Contains("--outputs"));
  CHECK_THROWS_WITH(split_for(dataset(), recipe(Validation::test_set), {}, 1), Catch::Contains("--outputs"));
  CHECK_NOTHROW(split_for(dataset(), recipe(Validation::test_set), {}, 1000));
}

namespace {

// Images class by class, as folders have them; each is the number of its label.
ImageSet sorted(const std::vector<std::int64_t>& counts) {
  ImageSet set{.count = 0, .height = 1, .width = 1, .channels = 1};
  for (std::size_t label = 0; label < counts.size(); ++label)
    for (std::int64_t i = 0; i < counts[label]; ++i, ++set.count) {
      set.pixels.push_back(static_cast<std::uint8_t>(label));
      set.labels.push_back(static_cast<std::int32_t>(label));
    }
  return set;
}

Dataset folder(const std::vector<std::int64_t>& train, const std::vector<std::int64_t>& test,
               std::vector<std::string> classes) {
  Dataset data;
  data.train = sorted(train), data.test = sorted(test);
  data.classes = std::move(classes);
  data.description = "a folder";
  return data;
}

std::string all_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

}  // namespace

TEST_CASE("cuts of images that come class by class hold all classes") {
  const std::vector<std::string> classes = {"ant", "bee", "cat", "dog"};
  const Split tenth = split_for(folder({40, 30, 5, 1}, {10, 10, 10, 10}, classes), recipe(Validation::last_tenth), {}, 4);
  CHECK(class_counts(tenth.validation, 4) == std::vector<std::int64_t>{4, 3, 1, 0});  // the only dog trains
  CHECK(class_counts(tenth.train, 4) == std::vector<std::int64_t>{36, 27, 4, 1});
  CHECK(tenth.cuts == std::vector<std::string>{"validation: 10 % of the training images, stratified by class"});
  CHECK_THAT(all_of(tenth.notes), Catch::Contains("validation: the cut leaves no image of dog"));

  const Split few = split_for(folder({60, 20, 19, 1}, {10, 10, 10, 10}, classes), recipe(Validation::test_set),
                              {.train = 10, .test = 4}, 4);
  // Shares 6, 2, 1.9, 0.1: the dog's one image comes from the cats, which leaves the least squares of differences.
  CHECK(class_counts(few.train, 4) == std::vector<std::int64_t>{6, 2, 1, 1});
  CHECK(class_counts(few.test, 4) == std::vector<std::int64_t>{1, 1, 1, 1});
  CHECK_THAT(all_of(few.cuts), Catch::Contains("training: 10 of 100 images, stratified by class"));
  CHECK(few.notes.empty());
  const Split fewer = split_for(folder({60, 20, 19, 1}, {}, classes), recipe(Validation::none), {.train = 3, .test = {}}, 4);
  CHECK(fewer.train.labels == std::vector<std::int32_t>{0, 1, 2});
  CHECK_THAT(all_of(fewer.notes), Catch::Contains("training: the cut leaves no image of dog"));
  const Split tiny = split_for(folder({2, 2}, {1, 1}, {"a", "b"}), recipe(Validation::none), {.train = 2, .test = {}}, 2);
  CHECK(tiny.train.labels == std::vector<std::int32_t>{0, 1});
}

TEST_CASE("cuts of shuffled images are those of the tutorials, and say what they lack") {
  const Split cut = split_for(dataset(), recipe(Validation::last_tenth), {.train = 7, .test = 5}, 10);
  CHECK(numbers(cut.train) == range(0, 7));
  CHECK(numbers(cut.test) == range(100, 105));
  CHECK(numbers(cut.validation) == range(54, 59));
  CHECK_THAT(all_of(cut.cuts), Catch::Contains("validation: the last 10 % of the training images") &&
                                   Catch::Contains("training: the first 7 of 54 images"));
  CHECK_THAT(all_of(cut.notes), Catch::Contains("training: the cut leaves no image of class 7, class 8, class 9"));
}

TEST_CASE("the data's own validation images come before any cut") {
  Dataset data = folder({20, 20}, {5, 5}, {"ant", "bee"});
  data.validation = sorted({3, 2});
  const Split split = split_for(std::move(data), recipe(Validation::last_tenth), {}, 2);
  CHECK((split.validation.count == 5 && split.train.count == 40 && !split.validate_on_test));
  Dataset other = folder({20, 20}, {5, 5}, {"ant", "bee"});
  other.validation = sorted({3, 2});
  CHECK(!split_for(std::move(other), recipe(Validation::test_set), {}, 2).validate_on_test);
}

TEST_CASE("data meets saved weights by the names of the classes") {
  const std::vector<std::string> known = {"ship", "caf\u00e9", "bee", "wasp"};
  const SplitUse use{.known_classes = known, .training = false};
  const Recipe by_label = recipe(Validation::none, {7, 8});  // plays no part
  const Split split = split_for(folder({2, 2, 2}, {1, 2, 3}, {"bee", "cafe\u0301", "zebra"}), by_label, {}, 4, use);
  CHECK(split.test.labels == std::vector<std::int32_t>{2, 1, 1});
  CHECK(split.test.pixels == std::vector<std::uint8_t>{0, 1, 1});
  CHECK(split.classes == std::vector<std::string>{"ship", "cafe\u0301", "bee", "wasp"});
  CHECK_THAT(all_of(split.cuts), Catch::Contains("classes: met by name, 2 of the weights' 4"));
  CHECK_THAT(all_of(split.notes), Catch::Contains("the weights do not know zebra: 5 images are left out"));

  const Split same = split_for(folder({}, {1, 1, 1, 1}, known), by_label, {}, 4, use);
  CHECK((same.cuts.empty() && same.notes.empty() && same.train.count == 0 && same.test.count == 4));
  CHECK_THROWS_WITH(split_for(folder({2, 2}, {1, 1}, {"x", "y"}), by_label, {}, 4, use),
                    Catch::Contains("the data has x, y; the weights know ship, caf\u00e9, bee, wasp"));
}

TEST_CASE("names of classes on a command line: by commas, by blanks, in any normal form") {
  const Dataset data = folder({1, 1, 1}, {}, {"ankle boot", "caf\u00e9", "ship"});
  const auto labels = [&](std::vector<std::string> names) { return labels_of(data, names); };
  CHECK(labels({"ship", "ankle boot"}) == std::vector<std::int32_t>{2, 0});
  CHECK(labels({"ship caf\u00e9"}) == std::vector<std::int32_t>{2, 1});
  CHECK(labels({"ship,", " cafe\u0301 "}) == std::vector<std::int32_t>{2, 1});
  CHECK_THROWS_WITH(labels({"ship", "boat"}), Catch::Contains("no class 'boat'") && Catch::Contains("ankle boot"));
  CHECK_THROWS_WITH(labels({"caf\u00e9", "cafe\u0301"}), Catch::Contains("named twice"));
  CHECK_THROWS_WITH(labels({" "}), Catch::Contains("no class ' '"));
}
