#include "engine/data/idx.h"

#include <zlib.h>

#include "tests/catch.h"
#include "tests/data/support.h"

using namespace tessera;
using namespace tessera::test;

namespace {

std::string pixels(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += static_cast<char>(i % 251 + 1);
  return text;
}

void put_folder(const TemporaryFolder& folder) {
  put(folder / "train-images-idx3-ubyte", idx_file({3, 28, 28}, pixels(3 * 784)));
  put(folder / "train-labels-idx1-ubyte", idx_file({3}, {'\0', '\4', '\x09'}));
  put(folder / "t10k-images-idx3-ubyte", idx_file({1, 28, 28}, pixels(784)));
  put(folder / "t10k-labels-idx1-ubyte", idx_file({1}, {'\2'}));
}

void put_gzip(const fs::path& path, const std::string& text) {
  gzFile file = gzopen(path.c_str(), "wb");
  REQUIRE(gzwrite(file, text.data(), static_cast<unsigned>(text.size())) == static_cast<int>(text.size()));
  REQUIRE(gzclose(file) == Z_OK);
}

}  // namespace

TEST_CASE("grey images are centred on 32x32 and repeated over the channels", "[idx]") {
  const TemporaryFolder folder;
  put_folder(folder);
  const Dataset data = open_dataset(folder.path().string(), {.image_size = 32});
  CHECK(data.train.labels == std::vector<std::int32_t>{0, 4, 9});
  CHECK((data.train.height == 32 && data.train.width == 32 && data.train.channels == 3));
  CHECK(data.train.count == 3);
  CHECK(data.classes[9] == "Ankle boot");
  CHECK(data.warnings.size() == 1);
  CHECK(data.train_parts[0].end == 3);
  const std::string from = pixels(3 * 784);
  for (std::int64_t n = 0; n < 3; ++n) {
    const auto image = data.train.image(n);
    bool right = true;
    for (int y = 0; y < 32; ++y)
      for (int x = 0; x < 32; ++x) {
        const bool inside = y >= 2 && y < 30 && x >= 2 && x < 30;
        const int expected =
            inside ? static_cast<unsigned char>(from[static_cast<std::size_t>(n * 784 + (y - 2) * 28 + x - 2)]) : 0;
        for (int c = 0; c < 3; ++c) right = right && image[static_cast<std::size_t>((y * 32 + x) * 3 + c)] == expected;
      }
    CHECK(right);
  }
}

TEST_CASE("grey images keep their size, or are brought to the one asked for", "[idx]") {
  const TemporaryFolder folder;
  put_folder(folder);
  const std::string path = folder.path().string();
  const Dataset own = open_dataset(path), on_32 = open_dataset(path, {.default_size = 32});
  CHECK((own.train.height == 28 && own.train.width == 28 && own.train.pixels.size() == 3 * 784 * 3));
  CHECK(own.train.pixels[5 * 3 + 1] == static_cast<std::uint8_t>(pixels(6)[5]));
  CHECK(digest(on_32.train) == digest(open_dataset(path, {.image_size = 32}).train));
  const Dataset small = open_dataset(path, {.image_size = 14});
  CHECK((small.train.height == 14 && small.train.pixels.size() == 3 * 14 * 14 * 3));
  CHECK(small.description.find("resized from 28x28 to 14x14") != std::string::npos);
}

TEST_CASE("grey images are one channel where one is asked for", "[idx]") {
  const TemporaryFolder folder;
  put_folder(folder);
  const std::string path = folder.path().string();
  const std::string from = pixels(3 * 784);
  Loading told;
  const Dataset own = open_dataset(path, {.channels = 1, .on_loading = [&](const Loading& loading) { told = loading; }});
  CHECK((own.train.channels == 1 && own.test.channels == 1 && told.bytes == 784));  // of the test images, read last
  CHECK(std::equal(from.begin(), from.end(), own.train.pixels.begin(),
                   [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; }));
  for (const std::int64_t size : {14, 32}) {
    const Dataset grey = open_dataset(path, {.image_size = size, .channels = 1});
    const Dataset three = open_dataset(path, {.image_size = size});
    REQUIRE(3 * grey.train.pixels.size() == three.train.pixels.size());
    bool same = true;
    for (std::size_t i = 0; i < three.train.pixels.size(); ++i)
      same = same && three.train.pixels[i] == grey.train.pixels[i / 3];
    CHECK(same);
  }
  CHECK_THROWS_AS(open_dataset("synthetic", {.channels = 4}), UsageError);
}

TEST_CASE("names with a dot and folders of a file's own name are read", "[idx]") {
  const TemporaryFolder plain, dotted, nested;
  put_folder(plain);
  for (const fs::directory_entry& entry : fs::directory_iterator(plain.path())) {
    std::string name = entry.path().filename().string();
    fs::create_directory(nested / name);
    fs::copy_file(entry.path(), nested / name / name);
    name[name.find("-idx")] = '.';
    fs::copy_file(entry.path(), dotted / name);
  }
  const std::string truth = digest(open_dataset(plain.path().string()).train);
  CHECK(digest(open_dataset(dotted.path().string()).train) == truth);
  CHECK(digest(open_dataset(nested.path().string()).train) == truth);
}

TEST_CASE("one half of an IDX data set is enough", "[idx]") {
  const TemporaryFolder folder;
  put_folder(folder);
  fs::remove(folder / "train-images-idx3-ubyte");
  fs::remove(folder / "train-labels-idx1-ubyte");
  const Dataset test = open_dataset(folder.path().string(), {.image_size = 32});
  CHECK((test.train.count == 0 && test.test.count == 1));
  CHECK(test.warnings[0].find("nothing to train with") != std::string::npos);
  put_folder(folder);
  fs::remove(folder / "t10k-images-idx3-ubyte");
  fs::remove(folder / "t10k-labels-idx1-ubyte");
  const Dataset train = open_dataset(folder.path().string());
  CHECK((train.train.count == 3 && train.test.count == 0));
  CHECK(train.warnings[0].find("nothing to test with") != std::string::npos);
  // The official test labels tell the two well-known sets apart, too.
  fs::remove(folder / "train-images-idx3-ubyte");
  fs::remove(folder / "train-labels-idx1-ubyte");
  put(folder / "t10k-images-idx3-ubyte", idx_file({10, 1, 1}, std::string(10, 'x')));
  put(folder / "t10k-labels-idx1-ubyte", idx_file({10}, {7, 2, 1, 0, 4, 1, 4, 9, 5, 9}));
  CHECK(open_idx(folder.path(), {}).classes[7] == "7");
}

TEST_CASE("compressed files give the same data", "[idx]") {
  const TemporaryFolder plain, compressed;
  put_folder(plain);
  for (const fs::directory_entry& entry : fs::directory_iterator(plain.path())) {
    std::ifstream file(entry.path(), std::ios::binary);
    put_gzip(compressed / (entry.path().filename().string() + ".gz"), {std::istreambuf_iterator<char>(file), {}});
  }
  const Dataset a = open_dataset(plain.path().string()), b = open_dataset(compressed.path().string());
  CHECK(digest(a.train) == digest(b.train));
  CHECK(digest(a.test) == digest(b.test));
  CHECK(digest(a.train) != digest(a.test));
}

TEST_CASE("class names: Fashion-MNIST's, digits for MNIST, numbers beyond ten", "[idx]") {
  const TemporaryFolder folder;
  put_folder(folder);
  const auto classes = [&](const std::string& labels) {
    const auto n = static_cast<std::uint32_t>(labels.size());
    put(folder / "train-images-idx3-ubyte", idx_file({n, 1, 1}, std::string(n, 'x')));
    put(folder / "train-labels-idx1-ubyte", idx_file({n}, labels));
    return open_idx(folder.path(), {.image_size = 28});
  };
  const Dataset fashion = classes({9, 0, 0, 3, 0, 2, 7, 2, 5, 5, 1});
  CHECK(fashion.classes[0] == "T-shirt/top");
  CHECK(fashion.warnings.empty());
  CHECK(classes({5, 0, 4, 1, 9, 2, 1, 3, 1, 4}).classes[7] == "7");
  const Dataset letters = classes({0, 1, 46});
  CHECK(letters.classes.size() == 47);
  CHECK(letters.classes[46] == "46");
}

TEST_CASE("broken IDX files are refused in one line", "[idx][hostile]") {
  struct Case {
    const char *what, *file;
    std::string contents;
    const char* reason;
  };
  const std::string images = "train-images-idx3-ubyte", labels = "train-labels-idx1-ubyte";
  std::string wrong_type = idx_file({3, 28, 28}, pixels(3 * 784)), not_zero = wrong_type;
  wrong_type[2] = '\x0d';
  not_zero[0] = '\1';
  const Case cases[] = {
      {"empty", images.c_str(), "", "byte 0: the file ends in its header of 16 bytes"},
      {"cut header", images.c_str(), idx_file({3, 28}, ""), "byte 12: the file ends in its header"},
      {"header cut in an extent", images.c_str(), idx_file({3, 28, 28}, "").substr(0, 15), "byte 15: the file ends"},
      {"error page", images.c_str(), "<html>404 Not Found</html>", "byte 0: no IDX file of unsigned bytes of rank 3"},
      {"floats", images.c_str(), wrong_type, "no IDX file of unsigned bytes"},
      {"wrong magic", images.c_str(), not_zero, "no IDX file of unsigned bytes"},
      {"labels as images", images.c_str(), idx_file({3}, "abc" + std::string(20, 'x')), "of rank 3"},
      {"images as labels", labels.c_str(), idx_file({3, 28, 28}, pixels(3 * 784)), "of rank 1"},
      {"no images", images.c_str(), idx_file({0, 28, 28}, ""), "byte 4: extent 0 is zero"},
      {"no rows", images.c_str(), idx_file({3, 0, 28}, ""), "byte 8: extent 1 is zero"},
      {"extents of 2^96", images.c_str(), idx_file({~0u, ~0u, ~0u}, "x"), "byte 4: the extents ask for more than 1 GiB"},
      {"extents that overflow to the right size", images.c_str(), idx_file({1u << 31, 1u << 31, 4}, ""), "more than 1 GiB"},
      {"too many images", images.c_str(), idx_file({1u << 31, 1, 1}, "x"), "more than 1 GiB"},
      {"cut", images.c_str(), idx_file({3, 28, 28}, pixels(3 * 784 - 1)),
       "byte 2367: holds 2367 bytes, its header asks for 2368"},
      {"too long", images.c_str(), idx_file({3, 28, 28}, pixels(3 * 784 + 1)), "holds 2369 bytes"},
      {"fewer labels", labels.c_str(), idx_file({2}, "\1\2"), "2 labels for the 3 images"},
      {"labels cut", labels.c_str(), idx_file({3}, "\1\2"), "holds 10 bytes, its header asks for 11"},
  };
  for (const Case& c : cases) {
    for (const bool compressed : {false, true}) {
      const TemporaryFolder folder;
      put_folder(folder);
      fs::remove(folder / c.file);
      if (compressed)
        put_gzip(folder / (std::string(c.file) + ".gz"), c.contents);
      else
        put(folder / c.file, c.contents);
      const std::string error = error_of<DataError>([&] { open_dataset(folder.path().string()); });
      INFO(c.what << (compressed ? ", compressed: " : ": ") << error);
      CHECK(error.starts_with((folder / c.file).string()));
      if (!(compressed && std::string(c.what) == "too long")) CHECK(error.find(c.reason) != error.npos);
      CHECK_FALSE(error.empty());
    }
  }
}

TEST_CASE("missing and unreadable IDX files are named", "[idx][hostile]") {
  for (const char* name :
       {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}) {
    const TemporaryFolder folder;
    put_folder(folder);
    fs::remove(folder / name);  // its other half is there
    CHECK(error_of<DataError>([&] { open_dataset(folder.path().string()); }).find("without " + std::string(name)) !=
          std::string::npos);
    fs::create_directory(folder / name);
    CHECK(error_of<DataError>([&] { open_dataset(folder.path().string()); }).find("is a folder") != std::string::npos);
  }
}

TEST_CASE("a compressed bomb is stopped at the size its header asks for", "[idx][hostile]") {
  const TemporaryFolder folder;
  put_folder(folder);
  fs::remove(folder / "train-images-idx3-ubyte");
  put_gzip(folder / "train-images-idx3-ubyte.gz", idx_file({3, 28, 28}, std::string(50'000'000, '\0')));
  CHECK(error_of<DataError>([&] { open_idx(folder.path(), {}); }).find("decompresses to more than the 2368 bytes") !=
        std::string::npos);
  // The other way round: asks for 1 GiB, holds 1 KB. Memory is taken for what is there.
  put_gzip(folder / "train-images-idx3-ubyte.gz", idx_file({1u << 20, 32, 32}, std::string(1000, '\0')));
  CHECK(error_of<DataError>([&] { open_idx(folder.path(), {}); }).find("holds 1016 bytes") != std::string::npos);
}
