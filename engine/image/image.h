// A picture in memory.
#pragma once

#include <cstdint>
#include <vector>

namespace tessera {

struct Image {
  std::int64_t height = 0, width = 0;
  std::vector<std::uint8_t> pixels = {};  // [height, width, 3]: red, green, blue
};

}  // namespace tessera
