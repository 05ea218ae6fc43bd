// Where a network looks, drawn over the picture it looks at.
#pragma once

#include <span>
#include <string>

#include "engine/report/canvas.h"

namespace tessera {

// A map of places over a whole picture: [rows, columns], 0 or more.
struct HeatMap {
  std::int64_t rows = 0, columns = 0;
  std::span<const float> values = {};
};

// The picture, each of its pixels `scale` by `scale` ones, darkened and without its colours where the map is 0, glowing
// where it is largest. The map is brought to its size between the centres of cells (bilinear), each map scaled by itself: the
// largest value is full heat. Where all are 0 nothing glows.
Picture heated(const Picture& image, std::int64_t scale, const HeatMap& map);

struct Explanation {
  Picture image;
  HeatMap map;
  std::string answer, name;  // the class looked for, and below it what the picture is called
};

// Each picture beside what heated() makes of it, row by row. Extents of at most heat_map_side each, as
// fitting_extents() gives.
inline constexpr std::int64_t heat_map_side = 224;
Picture explanation_grid(std::span<const Explanation> explanations);

// The extents of a picture for the grid: its own where they are at most half of a side (each pixel then becomes a square),
// else such that the longer one is the side.
struct Extents {
  std::int64_t height, width;
};
Extents fitting_extents(std::int64_t height, std::int64_t width);

}  // namespace tessera
