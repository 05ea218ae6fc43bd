#include "engine/image/resize.h"
#include "tests/catch.h"

using namespace tessera;

namespace {

using Bytes3 = std::vector<std::uint8_t>;

Image image_of(std::int64_t height, std::int64_t width, Bytes3 pixels) {
  return {.height = height, .width = width, .pixels = std::move(pixels)};
}

}  // namespace

// The expected bytes are Pillow 9.4's.
TEST_CASE("small images are resized as Pillow does", "[resize]") {
  const Image row = image_of(1, 3, {0, 0, 0, 255, 0, 100, 0, 255, 200});
  CHECK(resize_bicubic(row, 1, 5).pixels == Bytes3{0, 0, 0, 101, 0, 31, 255, 0, 100, 101, 166, 169, 0, 255, 208});
  CHECK(resize_bicubic(row, 1, 2).pixels == Bytes3{99, 0, 31, 99, 166, 169});
  CHECK(resize_bicubic(row, 1, 1).pixels == Bytes3{100, 78, 100});
  CHECK(resize_bicubic(row, 1, 3).pixels == row.pixels);

  Bytes3 ramp;
  for (int i = 0; i < 240; i += 10) ramp.push_back(static_cast<std::uint8_t>(i));
  const Image out = resize_bicubic(image_of(4, 2, ramp), 2, 3);
  CHECK((out.height == 2 && out.width == 3));
  CHECK(out.pixels == Bytes3{34, 43, 53, 50, 60, 70, 67, 77, 87, 143, 153, 163, 160, 170, 180, 177, 187, 197});
}

TEST_CASE("one colour stays one colour, whatever the sizes", "[resize]") {
  const std::int64_t sizes[][2] = {{1, 1}, {1, 500}, {500, 1}, {37, 41}, {32, 32}, {400, 300}};
  for (const auto& [height, width] : sizes) {
    Image plain = image_of(height, width, {});
    for (std::int64_t i = 0; i < height * width; ++i) plain.pixels.insert(plain.pixels.end(), {0, 255, 131});
    const Image out = resize_bicubic(plain, 32, 32);
    REQUIRE(out.pixels.size() == 3072);
    bool same = true;
    for (std::size_t i = 0; i < out.pixels.size(); ++i) same = same && out.pixels[i] == plain.pixels[i % 3];
    CHECK(same);
  }
}

TEST_CASE("a mirrored image gives the mirrored result", "[resize]") {
  Image image = image_of(5, 50, {});
  for (int i = 0; i < 5 * 50 * 3; ++i) image.pixels.push_back(static_cast<std::uint8_t>(i * i * 7 + i * 31));
  const auto mirrored = [](const Image& from) {
    Image to = from;
    for (std::int64_t y = 0; y < from.height; ++y)
      for (std::int64_t x = 0; x < from.width; ++x)
        for (std::int64_t c = 0; c < 3; ++c)
          to.pixels[static_cast<std::size_t>((y * from.width + x) * 3 + c)] =
              from.pixels[static_cast<std::size_t>((y * from.width + from.width - 1 - x) * 3 + c)];
    return to;
  };
  for (const std::int64_t width : {8, 25, 100})
    CHECK(resize_bicubic(mirrored(image), 5, width).pixels == mirrored(resize_bicubic(image, 5, width)).pixels);
}
