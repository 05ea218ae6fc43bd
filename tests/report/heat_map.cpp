// Heat over a picture: where it glows, and how several pictures lie beside each other.
#include "engine/report/heat_map.h"

#include <array>

#include "tests/catch.h"

using namespace tessera;

namespace {

Picture flat(std::int64_t width, std::int64_t height, Colour colour) {
  Picture picture{.width = width, .height = height};
  for (std::int64_t i = 0; i < width * height; ++i) picture.rgb.insert(picture.rgb.end(), {colour.r, colour.g, colour.b});
  return picture;
}

std::array<int, 3> pixel(const Picture& picture, std::int64_t x, std::int64_t y) {
  const std::uint8_t* at = picture.rgb.data() + (y * picture.width + x) * 3;
  return {at[0], at[1], at[2]};
}

}  // namespace

TEST_CASE("a picture glows where its map is largest, and is dark and grey where it is 0") {
  const Picture picture = flat(8, 4, {200, 100, 0});
  // Two cells side by side, the right one hot; 16 pixels across, so the cells' centres are between pixels 3 and 4, 11 and 12.
  const std::vector<float> map{0, 5};
  const Picture seen = heated(picture, 2, {1, 2, map});
  CHECK((seen.width == 16 && seen.height == 8));
  // Luma 0.299·200 + 0.587·100 = 118.5; 0.85 of it, and 0.15 of the ramp's dark end (0, 0, 8).
  CHECK(pixel(seen, 0, 0) == std::array{101, 101, 102});
  CHECK(pixel(seen, 3, 7) == std::array{101, 101, 102});
  // 0.35 of 118.5 and 0.65 of the ramp's bright end (252, 255, 164).
  CHECK(pixel(seen, 15, 0) == std::array{205, 207, 148});
  CHECK(pixel(seen, 12, 3) == std::array{205, 207, 148});
  // Between the centres it rises from pixel to pixel.
  for (std::int64_t x = 5; x < 12; ++x) CHECK(pixel(seen, x, 0)[0] > pixel(seen, x - 1, 0)[0]);
  // A map is scaled by itself; nothing glows in one of zeros.
  const std::vector<float> weak{0, 1e-6f}, none{0, 0};
  CHECK(heated(picture, 2, {1, 2, weak}).rgb == seen.rgb);
  CHECK(pixel(heated(picture, 2, {1, 2, none}), 15, 0) == std::array{101, 101, 102});
}

TEST_CASE("pictures are explained side by side") {
  CHECK((fitting_extents(32, 32).height == 32 && fitting_extents(32, 32).width == 32));
  CHECK((fitting_extents(112, 90).height == 112 && fitting_extents(113, 90).height == 224));
  CHECK((fitting_extents(3000, 4000).height == 168 && fitting_extents(3000, 4000).width == 224));
  CHECK((fitting_extents(1, 4000).height == 1 && fitting_extents(1, 4000).width == 224));

  const std::vector<float> map{0, 1, 0, 0};
  const auto grid = [&](std::size_t count) {
    std::vector<Explanation> all;
    for (std::size_t i = 0; i < count; ++i) all.push_back({flat(32, 32, {0, 0, 255}), {2, 2, map}, "ship 99.0 %", "a.png"});
    return explanation_grid(all);
  };
  const Picture one = grid(1), five = grid(5);
  CHECK((one.width == 48 + 452 && one.height == 48 + 268));
  CHECK((five.width == 48 + 2 * 452 + 20 && five.height == 48 + 3 * 268 + 2 * 20));
  CHECK(pixel(one, 24, 24) == std::array{0, 0, 255});        // the picture
  CHECK(pixel(one, 247, 247) == std::array{0, 0, 255});      // as large as the side
  CHECK(pixel(one, 249, 100) == std::array{255, 255, 255});  // paper between them
  CHECK(pixel(one, 24 + 228 + 223, 24)[0] > 150);            // the hot corner of the map
  CHECK(pixel(one, 24 + 228, 24)[0] < 50);
}

TEST_CASE("what lies outside of a canvas is not drawn") {
  Canvas canvas(4, 3);
  canvas.rectangle(-2, -5, 3, 6, ink);
  canvas.rectangle(3, 2, 9, 9, faint);
  canvas.rectangle(0, -4, 4, 4, faint);
  const Picture seen = canvas.take();
  for (std::int64_t y = 0; y < 3; ++y)
    for (std::int64_t x = 0; x < 4; ++x) {
      const Colour expected = x == 0 && y == 0 ? ink : x == 3 && y == 2 ? faint : paper;
      CHECK(pixel(seen, x, y) == std::array<int, 3>{expected.r, expected.g, expected.b});
    }
}
