#include "engine/data/cifar.h"
#include "tests/catch.h"
#include "tests/data/support.h"

using namespace tessera;
using namespace tessera::test;

namespace {

constexpr const char* names = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";

void put_folder(const TemporaryFolder& folder) {
  put(folder / "data_batch_1.bin", cifar_records({3, 1}));
  put(folder / "data_batch_2.bin", cifar_records({4}));
  put(folder / "data_batch_10.bin", cifar_records({9, 0, 9}));
  put(folder / "test_batch.bin", cifar_records({5, 8}));
  put(folder / "batches.meta.txt", names);
}

}  // namespace

TEST_CASE("CIFAR-10 files are read in numeric order, planes become interleaved channels", "[cifar]") {
  const TemporaryFolder folder;
  put_folder(folder);
  put(folder / "data_batch_x.bin", "not one of them");
  const Dataset data = open_dataset(folder.path().string());
  CHECK(data.train.labels == std::vector<std::int32_t>{3, 1, 4, 9, 0, 9});
  CHECK(data.test.labels == std::vector<std::int32_t>{5, 8});
  CHECK(data.train.count == 6);
  CHECK((data.train.height == 32 && data.train.width == 32 && data.train.channels == 3));
  REQUIRE(data.train.pixels.size() == 6 * 3072);
  for (std::int64_t n = 0; n < 6; ++n) {
    const auto image = data.train.image(n);
    bool right = true;
    for (std::size_t i = 0; i < 1024; ++i)
      for (std::size_t c = 0; c < 3; ++c) right = right && image[i * 3 + c] == 50 * c + i % 50;
    CHECK(right);
  }
  CHECK(data.classes[7] == "horse");

  REQUIRE(data.train_parts.size() == 3);
  const auto part = data.part("data_batch_10");
  REQUIRE(part.has_value());
  CHECK((part->begin == 3 && part->end == 6));
  CHECK_FALSE(data.part("data_batch_5").has_value());
  REQUIRE(data.warnings.size() == 5);  // no file has the official number of images, and some are missing
  CHECK(data.warnings[0].find("data_batch_1.bin: has 2 images, the official file has 10000") != std::string::npos);
  CHECK(data.warnings[4].find("is without data_batch_3.bin, data_batch_4.bin, data_batch_5.bin, data_batch_6.bin") !=
        std::string::npos);
  CHECK(data.description.find("6 training images in 3 files, 2 test images") != std::string::npos);
}

TEST_CASE("class names are taken from the folder where they are sane", "[cifar]") {
  const TemporaryFolder folder;
  put_folder(folder);
  const auto opened = [&](const std::string& meta) {
    put(folder / "batches.meta.txt", meta);
    return open_cifar_binary(folder.path(), {});
  };
  CHECK(opened("a\r\nb\r\nc\r\nd\r\ne\r\nf\r\ng\r\nh\r\ni\r\nj\r\n").classes[9] == "j");
  CHECK(opened("\xef\xbb\xbf\u00e4\nb\nc\nd\ne\nf\ng\nh\ni\nj\n").classes[0] == "\u00e4");  // as Windows' editor writes it
  const std::string insane[] = {"",
                                "a\nb\n",
                                std::string(names) + "eleventh\n",
                                "a\na\nc\nd\ne\nf\ng\nh\ni\nj\n",
                                "a\n\x1b[2Jb\nc\nd\ne\nf\ng\nh\ni\nj\n",
                                std::string(201, 'x') + "\nb\nc\nd\ne\nf\ng\nh\ni\nj\n",
                                std::string(100'000, '\n')};
  for (const std::string& meta : insane) {
    const Dataset data = opened(meta);
    CHECK(data.classes[9] == "truck");
    CHECK(data.warnings[data.warnings.size() - 2].find("does not hold 10 class names") != std::string::npos);
  }
  fs::remove(folder / "batches.meta.txt");
  const Dataset data = open_cifar_binary(folder.path(), {});
  CHECK(data.classes[0] == "airplane");
  CHECK(data.warnings.size() == 5);
}

TEST_CASE("one half of a data set is enough, and what is missing is named", "[cifar]") {
  const TemporaryFolder folder;
  put_folder(folder);
  fs::remove(folder / "test_batch.bin");
  const Dataset train = open_dataset(folder.path().string());
  CHECK((train.train.count == 6 && train.test.count == 0 && train.test.height == 32));
  CHECK(train.warnings.back().find("is without test_batch.bin, data_batch_3.bin") != std::string::npos);
  CHECK(train.warnings.back().find("nothing to test with") != std::string::npos);
  put_folder(folder);
  for (const char* name : {"data_batch_1.bin", "data_batch_2.bin", "data_batch_10.bin"}) fs::remove(folder / name);
  const Dataset test = open_dataset(folder.path().string());
  CHECK((test.train.count == 0 && test.test.count == 2));
  CHECK(test.warnings.back().find("nothing to train with") != std::string::npos);
}

TEST_CASE("images of a fixed size are brought to the one asked for", "[cifar]") {
  const TemporaryFolder folder;
  put_folder(folder);
  const Dataset data = open_dataset(folder.path().string(), {.image_size = 48});
  CHECK((data.train.height == 48 && data.test.width == 48 && data.train.pixels.size() == 6 * 48 * 48 * 3));
  CHECK(data.train.labels == std::vector<std::int32_t>{3, 1, 4, 9, 0, 9});
  CHECK(data.description.find("resized from 32x32 to 48x48") != std::string::npos);
  CHECK(error_of<UsageError>([&] {
          open_dataset(folder.path().string(), {.labels = "coarse"});
        }).find("CIFAR-10 has one kind of labels") != std::string::npos);
  CHECK_THROWS_AS(open_dataset("synthetic", {.labels = "coarse"}), UsageError);
  CHECK(open_dataset("synthetic", {.image_size = 64}).train.width == 64);
}

TEST_CASE("broken CIFAR-10 folders are refused in one line", "[cifar][hostile]") {
  struct Case {
    const char* what;
    void (*damage)(const TemporaryFolder&);
    const char* reason;
  };
  const Case cases[] = {
      {"error page", [](const TemporaryFolder& f) { put(f / "data_batch_2.bin", "<html>404 Not Found</html>"); },
       "data_batch_2.bin: byte 0: the last record has 26 bytes of 3073; the file was cut, or is not CIFAR-10"},
      {"cut in the second record",
       [](const TemporaryFolder& f) {
         put(f / "data_batch_1.bin", cifar_records({1, 2}).substr(0, 6000));
       },
       "data_batch_1.bin: byte 3073: the last record has 2927 bytes"},
      {"one byte too many",
       [](const TemporaryFolder& f) {
         put(f / "test_batch.bin", cifar_records({1, 2}) + "x");
       },
       "test_batch.bin: byte 6146: the last record has 1 bytes"},
      {"label 11",
       [](const TemporaryFolder& f) {
         put(f / "data_batch_10.bin", cifar_records({1, 2, 11}));
       },
       "data_batch_10.bin: byte 6146: label 11 of record 2 is not below 10"},
      {"label 10", [](const TemporaryFolder& f) { put(f / "test_batch.bin", cifar_records({10})); },
       "test_batch.bin: byte 0: label 10 of record 0"},
      {"label 255", [](const TemporaryFolder& f) { put(f / "test_batch.bin", cifar_records({255})); }, "label 255"},
      {"CIFAR-100 rows", [](const TemporaryFolder& f) { put(f / "data_batch_1.bin", std::string(3074 * 3, '\1')); },
       "the last record has 3 bytes"},
      {"empty file", [](const TemporaryFolder& f) { put(f / "data_batch_1.bin", ""); },
       "data_batch_1.bin: byte 0: the file is empty"},
      {"folder as batch",
       [](const TemporaryFolder& f) {
         fs::remove(f / "data_batch_1.bin");
         fs::create_directory(f / "data_batch_1.bin");
       },
       "data_batch_1.bin: is a folder"},
      {"folder as test batch",
       [](const TemporaryFolder& f) {
         fs::remove(f / "test_batch.bin");
         fs::create_directory(f / "test_batch.bin");
       },
       "test_batch.bin: is a folder"},
      {"huge file", [](const TemporaryFolder& f) { fs::resize_file(f / "data_batch_1.bin", std::uintmax_t{3073} << 32); },
       "more than 4 GiB"},
      {"dangling link",
       [](const TemporaryFolder& f) {
         fs::remove(f / "data_batch_2.bin");
         fs::create_symlink("/nonexistent", f / "data_batch_2.bin");
       },
       "data_batch_2.bin: open failed: No such file"},
  };
  for (const Case& c : cases) {
    const TemporaryFolder folder;
    put_folder(folder);
    c.damage(folder);
    const std::string error = error_of<DataError>([&] { open_dataset(folder.path().string()); });
    INFO(c.what << ": " << error);
    CHECK(error.find(c.reason) != error.npos);
    CHECK(error.find(folder.path().string()) != error.npos);
    CHECK(error.find('\n') == error.npos);
  }
}

TEST_CASE("a file cut at any of many bytes is refused", "[cifar][hostile]") {
  const TemporaryFolder folder;
  put_folder(folder);
  const std::string file = cifar_records({1, 2, 3});
  for (std::size_t length = 0; length < file.size(); length += length < 20 ? 1 : 97) {
    if (length > 0 && length % 3073 == 0) continue;  // whole records are a smaller data set
    put(folder / "test_batch.bin", file.substr(0, length));
    CHECK_THROWS_AS(open_cifar_binary(folder.path(), {}), DataError);
  }
}

TEST_CASE("loading stops when asked to", "[cifar]") {
  const TemporaryFolder folder;
  put_folder(folder);
  std::atomic<bool> stop = true;
  CHECK_THROWS_AS(open_cifar_binary(folder.path(), {.stop = &stop}), Interrupted);
  stop = false;
  CHECK_NOTHROW(open_cifar_binary(folder.path(), {.stop = &stop}));
}
