// CIFAR-100: a record is the coarse label, the fine label and the image; each kind of labels has names of its own.
#include "engine/data/cifar.h"
#include "tests/catch.h"
#include "tests/data/archives.h"
#include "tests/data/support.h"

using namespace tessera;
using namespace tessera::test;

namespace {

struct Pair {
  int coarse, fine;
};

std::string records(const std::vector<Pair>& labels) {
  std::string file;
  for (const Pair& label : labels) file += static_cast<char>(label.coarse) + cifar_record(label.fine);
  return file;
}

// As CIFAR-100's python version has it.
std::string pickled(const std::vector<Pair>& labels) {
  std::vector<int> coarse, fine;
  std::string data;
  for (const Pair& label : labels) {
    coarse.push_back(label.coarse);
    fine.push_back(label.fine);
    data += cifar_record(0).substr(1);
  }
  return pickle("}q\x01(" + pickled_text("filenames") + "](" + pickled_text("a.png") + "e" + pickled_text("batch_label") +
                pickled_text("training batch 1 of 1") + pickled_text("fine_labels") + pickled_labels(fine) +
                pickled_text("coarse_labels") + pickled_labels(coarse) + pickled_text("data") +
                pickled_array(static_cast<int>(labels.size()), 3072, data) + "u");
}

std::vector<std::string> names(const std::string& word, int count) {
  std::vector<std::string> all;
  for (int i = 0; i < count; ++i) all.push_back(word + std::to_string(i));
  return all;
}

std::string lines(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += name + "\n";
  return text;
}

const std::vector<Pair> train_labels = {{11, 19}, {15, 29}, {4, 0}}, test_labels = {{19, 99}};

void put_binary(const TemporaryFolder& folder) {
  put(folder / "train.bin", records(train_labels));
  put(folder / "test.bin", records(test_labels));
  put(folder / "fine_label_names.txt", lines(names("fine ", 100)));
  put(folder / "coarse_label_names.txt", lines(names("coarse ", 20)));
}

std::string pickled_names() {
  std::string fine = "](", coarse = "](";
  for (const std::string& name : names("fine ", 100)) fine += pickled_text(name);
  for (const std::string& name : names("coarse ", 20)) coarse += pickled_text(name);
  return pickle("}(" + pickled_text("fine_label_names") + fine + "e" + pickled_text("coarse_label_names") + coarse + "eu");
}

}  // namespace

TEST_CASE("CIFAR-100 has fine labels, and coarse ones when asked, in all four forms", "[cifar100]") {
  const TemporaryFolder binary, python, archives;
  put_binary(binary);
  put(python / "train", pickled(train_labels));
  put(python / "test", pickled(test_labels));
  put(python / "meta", pickled_names());
  put(archives / "binary.tar.gz",
      gzip(tar({{.name = "cifar-100-binary/train.bin", .content = records(train_labels)},
                {.name = "cifar-100-binary/fine_label_names.txt", .content = lines(names("fine ", 100))},
                {.name = "cifar-100-binary/coarse_label_names.txt", .content = lines(names("coarse ", 20))},
                {.name = "cifar-100-binary/test.bin", .content = records(test_labels)}})));
  put(archives / "python.tar.gz", gzip(tar({{.name = "cifar-100-python/meta", .content = pickled_names()},
                                            {.name = "cifar-100-python/test", .content = pickled(test_labels)},
                                            {.name = "cifar-100-python/train", .content = pickled(train_labels)}})));
  for (const fs::path& path : {binary.path(), python.path(), archives / "binary.tar.gz", archives / "python.tar.gz"}) {
    INFO(path);
    const Dataset fine = open_dataset(path.string());
    CHECK(fine.train.labels == std::vector<std::int32_t>{19, 29, 0});
    CHECK(fine.test.labels == std::vector<std::int32_t>{99});
    CHECK(fine.classes == names("fine ", 100));
    CHECK(digest(open_dataset(path.string(), {.labels = "fine"}).train) == digest(fine.train));
    const Dataset coarse = open_dataset(path.string(), {.labels = "coarse"});
    CHECK(coarse.train.labels == std::vector<std::int32_t>{11, 15, 4});
    CHECK(coarse.classes == names("coarse ", 20));
    CHECK(coarse.train.pixels == fine.train.pixels);
    const auto image = fine.train.image(2);
    bool right = true;
    for (std::size_t i = 0; i < 1024; ++i)
      for (std::size_t c = 0; c < 3; ++c) right = right && image[i * 3 + c] == 50 * c + i % 50;
    CHECK(right);
    CHECK(fine.description.starts_with("CIFAR-100 ("));
    CHECK(error_of<UsageError>([&] { open_dataset(path.string(), {.labels = "medium"}); }).find("fine, coarse") !=
          std::string::npos);
  }
}

TEST_CASE("CIFAR-100 without names counts its classes; labels out of range are refused", "[cifar100][hostile]") {
  const TemporaryFolder folder;
  put_binary(folder);
  fs::remove(folder / "fine_label_names.txt");
  CHECK(open_dataset(folder.path().string()).classes[99] == "99");
  put(folder / "test.bin", records({{20, 3}}));
  CHECK(open_dataset(folder.path().string()).test.labels[0] == 3);
  CHECK(error_of<DataError>([&] { open_dataset(folder.path().string(), {.labels = "coarse"}); }).find("is not below 20") !=
        std::string::npos);
  put(folder / "test.bin", records({{1, 100}}));
  CHECK(error_of<DataError>([&] { open_dataset(folder.path().string()); }).find("is not below 100") != std::string::npos);
  put(folder / "test.bin", records({{1, 2}}).substr(0, 3000));
  CHECK(error_of<DataError>([&] { open_dataset(folder.path().string()); }).find("bytes of 3074") != std::string::npos);
  // One file called "train" is no data set.
  const TemporaryFolder lone;
  put(lone / "train", "a diary");
  CHECK(error_of<DataError>([&] { open_dataset(lone.path().string()); }).find("no data set found") != std::string::npos);
}
