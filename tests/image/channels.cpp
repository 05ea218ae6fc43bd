#include "engine/image/channels.h"

#include "engine/core/error.h"
#include "tests/catch.h"

using namespace tessera;

// The values that Pillow 13 gives for Image.convert("L").
TEST_CASE("colours become grey as in Pillow, and grey is repeated") {
  const std::vector<std::uint8_t> colours = {255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 200, 30, 1, 2, 3, 255, 255, 254};
  CHECK(with_channels(colours, 3, 1) == std::vector<std::uint8_t>{76, 150, 29, 124, 2, 255});
  CHECK(with_channels(std::vector<std::uint8_t>{7, 0}, 1, 3) == std::vector<std::uint8_t>{7, 7, 7, 0, 0, 0});
  std::vector<std::uint8_t> all(256);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint8_t>(i);
  CHECK(with_channels(with_channels(all, 1, 3), 3, 1) == all);
  CHECK(with_channels(all, 2, 2) == all);
  CHECK_THROWS_AS(with_channels(all, 1, 4), UsageError);
}
