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
