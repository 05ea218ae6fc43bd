#include "engine/data/stl10.h"

#include "tests/catch.h"
#include "tests/data/support.h"

using namespace tessera;
using namespace tessera::test;

namespace {

// Byte of plane c, column x, row y: 70·c + x where x > y, 70·c else, plus the image's number.
std::string stl_image(int number) {
  std::string image;
  for (int c = 0; c < 3; ++c)
    for (int x = 0; x < 96; ++x)
      for (int y = 0; y < 96; ++y) image += static_cast<char>(70 * c + (x > y ? x : 0) + number);
  return image;
}

void put_folder(const TemporaryFolder& folder) {
  put(folder / "train_X.bin", stl_image(0) + stl_image(1));
  put(folder / "train_y.bin", "\x0a\x01");
  put(folder / "test_X.bin", stl_image(2));
  put(folder / "test_y.bin", "\x02");
}

}  // namespace

TEST_CASE("STL-10: columns become rows, labels count from 0", "[stl10]") {
  const TemporaryFolder folder;
  put_folder(folder);
  const Dataset data = open_dataset(folder.path().string());
  CHECK((data.train.height == 96 && data.train.width == 96 && data.train.channels == 3));
  CHECK(data.train.labels == std::vector<std::int32_t>{9, 0});
  CHECK(data.test.labels == std::vector<std::int32_t>{1});
  CHECK((data.classes[0] == "airplane" && data.classes[7] == "monkey" && data.classes.size() == 10));
  CHECK(data.warnings.empty());
  const auto image = data.train.image(1);
  bool right = true;
  for (int y = 0; y < 96; ++y)
    for (int x = 0; x < 96; ++x)
      for (int c = 0; c < 3; ++c)
        right = right && image[static_cast<std::size_t>((y * 96 + x) * 3 + c)] == 70 * c + (x > y ? x : 0) + 1;
  CHECK(right);
  const Dataset small = open_dataset(folder.path().string(), {.image_size = 32});
  CHECK((small.train.height == 32 && small.train.pixels.size() == 2 * 3072));
  CHECK(small.description.find("resized from 96x96 to 32x32") != std::string::npos);
}

TEST_CASE("STL-10: one half is enough; cut and damaged files are refused", "[stl10][hostile]") {
  const TemporaryFolder folder;
  const auto refusal = [&] { return error_of<DataError>([&] { open_dataset(folder.path().string()); }); };
  put_folder(folder);
  fs::remove(folder / "train_X.bin");
  CHECK(refusal().find("train_X.bin") != std::string::npos);
  fs::remove(folder / "train_y.bin");
  const Dataset test = open_dataset(folder.path().string());
  CHECK((test.train.count == 0 && test.test.count == 1 && test.warnings.size() == 1));
  put(folder / "test_y.bin", "\x02\x03");
  CHECK(refusal().find("the 2 labels of ") != std::string::npos);
  put(folder / "test_y.bin", "");
  CHECK(refusal().find("the 0 labels") != std::string::npos);
  put(folder / "test_y.bin", "\x0b");
  CHECK(refusal().find("test_y.bin: byte 0: label 11 is not from 1 to 10") != std::string::npos);
  put(folder / "test_y.bin", std::string(1, '\0'));
  CHECK(refusal().find("label 0 is not from 1 to 10") != std::string::npos);
}
