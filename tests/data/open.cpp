#include "engine/data/open.h"

#include <set>

#include "tests/catch.h"
#include "tests/data/support.h"

using namespace tessera;
using namespace tessera::test;

TEST_CASE("what is no data set is refused and says what was looked for", "[open]") {
  const TemporaryFolder folder;
  const auto refusal = [](const std::string& data) { return error_of<DataError>([&] { open_dataset(data); }); };
  CHECK(refusal((folder / "none").string()).find("no such file or folder") != std::string::npos);
  CHECK(refusal("https://example.org/cifar-10").find("download it first") != std::string::npos);
  CHECK(refusal("").find("no such file or folder") != std::string::npos);
  CHECK(refusal(std::string(5000, 'x')).size() < 300);  // a name longer than any file system takes
  CHECK(refusal("a\nb").find("'a\\x0ab'") != std::string::npos);
  const std::string empty = refusal(folder.path().string());
  CHECK(empty.find("no data set found there") != std::string::npos);
  for (const DatasetFormat& format : dataset_formats()) CHECK(empty.find(format.looks_like) != std::string::npos);
  put(folder / "file", "x");
  CHECK(refusal((folder / "file").string()).find("no data set found there") != std::string::npos);
}

TEST_CASE("what was seen in place of a data set is named", "[open]") {
  const TemporaryFolder folder;
  const auto refusal = [&](const std::string& data) {
    return error_of<DataError>([&] { open_dataset((folder / data).string()); });
  };
  fs::create_directories(folder / "outer/cifar-10-batches-bin");
  put(folder / "outer/cifar-10-batches-bin/data_batch_1.bin", cifar_records({1, 2}));
  put(folder / "outer/cifar-10-batches-bin/test_batch.bin", cifar_records({3}));
  const Dataset inside = open_dataset((folder / "outer").string());
  CHECK(inside.train.count == 2);
  CHECK(inside.warnings[0].find("taken for the data set inside it") != std::string::npos);
  CHECK(refusal("outer/cifar-10-batches-bin/test_batch.bin").find("give the folder, ") != std::string::npos);
  fs::create_directories(folder / "outer/more/other");
  put(folder / "outer/more/other/test_batch.bin", cifar_records({3}));
  CHECK(refusal("outer").find("it holds several: give one of ") != std::string::npos);

  fs::create_directories(folder / "flat/cat");
  put(folder / "flat/cat/a.jpg", "x");
  CHECK(refusal("flat").find("it has images in 'cat', but no train/ and test/") != std::string::npos);
  CHECK(refusal("flat/cat").find("no folders of classes") != std::string::npos);
  CHECK(refusal("flat/cat/a.jpg").find("it is one image") != std::string::npos);
  fs::create_directories(folder / "photos/train/cat");
  CHECK(refusal("photos/train").find("the folder above it is a data set") != std::string::npos);
  fs::create_directories(folder / "download");
  CHECK(refusal("download").find("the folder is empty") != std::string::npos);
  put(folder / "download/data.zip", std::string("PK\3\4", 4) + "x");
  CHECK(refusal("download").find("it holds 'data.zip': unpack that") != std::string::npos);
  CHECK(refusal("download/data.zip").find("it is an archive that is not read in place") != std::string::npos);
  CHECK(open_dataset("synthetic").warnings.empty());
}

TEST_CASE("generated data is a function of the seed and the place alone", "[synthetic]") {
  const Dataset a = open_dataset("synthetic"), b = open_dataset("synthetic");
  CHECK(a.train.count == 2000);
  CHECK(a.test.count == 500);
  CHECK(a.classes.size() == 10);
  CHECK(std::set<std::string>(a.classes.begin(), a.classes.end()).size() == 10);
  CHECK(digest(a.train) == digest(b.train));
  // Fixed for ever, on every machine: integers only.
  CHECK(digest(a.train) == "fd36421f77a7025808ad24373be12416769dce872130329c5a4644edb5a9b58d");

  const Dataset small = open_dataset("synthetic", {.synthetic_train = 30, .synthetic_test = 20});
  CHECK(digest(small.train) == digest(slice(a.train, 0, 30)));
  CHECK(digest(small.test) == digest(slice(a.test, 0, 20)));
  CHECK(digest(small.test) != digest(slice(a.train, 0, 20)));
  CHECK(digest(open_dataset("synthetic", {.seed = 1, .synthetic_train = 30}).train) != digest(small.train));
  for (const std::int64_t n : class_counts(a.train, 10)) CHECK(n == 200);
  CHECK_THROWS_AS(open_dataset("synthetic", {.synthetic_train = 0}), UsageError);
  const std::atomic<bool> stop = true;
  CHECK_THROWS_AS(open_dataset("synthetic", {.stop = &stop}), Interrupted);
}

TEST_CASE("generated data is learnable, but no two images are alike", "[synthetic]") {
  const Dataset data = open_dataset("synthetic", {.synthetic_train = 500, .synthetic_test = 100});
  int right = 0;
  for (std::int64_t t = 0; t < data.test.count; ++t) {
    const auto image = data.test.image(t);
    std::int64_t nearest = 0, smallest = std::int64_t{1} << 60;
    for (std::int64_t n = 0; n < data.train.count; ++n) {
      const auto other = data.train.image(n);
      std::int64_t distance = 0;
      for (std::size_t i = 0; i < image.size(); ++i) distance += (image[i] - other[i]) * (image[i] - other[i]);
      REQUIRE(distance > 0);
      if (distance < smallest) smallest = distance, nearest = n;
    }
    right += data.train.labels[static_cast<std::size_t>(nearest)] == data.test.labels[static_cast<std::size_t>(t)];
  }
  CHECK(right >= 80);  // of 100, by the label of the nearest training image; guessing gives 10
}

TEST_CASE("sets are cut, picked and relabelled", "[dataset]") {
  const Dataset data = open_dataset("synthetic", {.synthetic_train = 40, .synthetic_test = 10});
  const ImageSet& all = data.train;

  const ImageSet middle = slice(all, 10, 15);
  CHECK(middle.count == 5);
  CHECK(middle.labels == std::vector<std::int32_t>{0, 1, 2, 3, 4});
  CHECK(std::equal(middle.image(2).begin(), middle.image(2).end(), all.image(12).begin()));
  CHECK(slice(all, 35, 100).count == 5);
  CHECK(slice(all, 50, 60).count == 0);
  CHECK(slice(all, 5, 2).count == 0);

  const std::vector<std::int64_t> places = {39, 0, 39};
  const ImageSet picked = pick(all, places);
  CHECK(picked.labels == std::vector<std::int32_t>{9, 0, 9});
  CHECK(std::equal(picked.image(2).begin(), picked.image(2).end(), all.image(39).begin()));
  for (const std::int64_t outside : {std::int64_t{-1}, std::int64_t{40}})
    CHECK(error_of<UsageError>([&] { pick(all, std::vector<std::int64_t>{outside}); }).find("there are 40 (0 to 39)") !=
          std::string::npos);

  const std::vector<std::string> names = {data.classes[7], data.classes[2]};
  const std::vector<std::int32_t> labels = labels_of(data, names);
  CHECK(labels == std::vector<std::int32_t>{7, 2});
  const ImageSet two = keep_classes(all, labels);
  CHECK(two.labels == std::vector<std::int32_t>{1, 0, 1, 0, 1, 0, 1, 0});
  CHECK(std::equal(two.image(1).begin(), two.image(1).end(), all.image(7).begin()));
  CHECK(error_of<UsageError>([&] { labels_of(data, std::vector<std::string>{"zebra"}); }).find("no class 'zebra'") !=
        std::string::npos);
  CHECK_THROWS_AS(labels_of(data, std::vector<std::string>{names[0], names[0]}), UsageError);

  ImageSet changed = slice(all, 0, 10);
  const std::string before = digest(changed);
  changed.pixels[100] ^= 1;
  CHECK(digest(changed) != before);
}
