#include "engine/report/heat_map.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace tessera {
namespace {

// Heat as a colour: black, violet, red, orange, pale yellow; lightness grows all the way, for the colour-blind and for paper.
constexpr std::array<std::array<double, 3>, 5> ramp{
    {{0, 0, 8}, {87, 16, 110}, {188, 55, 84}, {249, 142, 9}, {252, 255, 164}}};

std::array<double, 3> colour_of(double heat) {
  const double at = std::clamp(heat, 0.0, 1.0) * (ramp.size() - 1);
  const auto low = std::min(static_cast<std::size_t>(at), ramp.size() - 2);
  std::array<double, 3> colour;
  for (std::size_t c = 0; c < 3; ++c)
    colour[c] = ramp[low][c] + (at - static_cast<double>(low)) * (ramp[low + 1][c] - ramp[low][c]);
  return colour;
}

// The cells in front of and behind a place on an axis of so many cells, and the second one's weight.
struct Between {
  std::int64_t low, high;
  double share;
};
Between between(double place, std::int64_t cells) {
  const double at = std::clamp(place * static_cast<double>(cells) - 0.5, 0.0, static_cast<double>(cells - 1));
  const auto low = static_cast<std::int64_t>(at);
  return {low, std::min(low + 1, cells - 1), at - static_cast<double>(low)};
}

double heat_at(const HeatMap& map, double y, double x) {
  const Between rows = between(y, map.rows), columns = between(x, map.columns);
  const auto row = [&](std::int64_t r) {
    const auto cell = [&](std::int64_t c) { return double{map.values[static_cast<std::size_t>(r * map.columns + c)]}; };
    return cell(columns.low) + columns.share * (cell(columns.high) - cell(columns.low));
  };
  return row(rows.low) + rows.share * (row(rows.high) - row(rows.low));
}

constexpr std::int64_t margin = 24, gap = 20, inner_gap = 4, text_room = 44, answer_scale = 2;

std::int64_t scale_of(const Picture& image) {
  return std::max<std::int64_t>(1, heat_map_side / std::max(image.height, image.width));
}

void draw(Canvas& canvas, std::int64_t x, std::int64_t y, const Picture& picture, std::int64_t scale) {
  const std::uint8_t* pixel = picture.rgb.data();
  for (std::int64_t j = 0; j < picture.height; ++j)
    for (std::int64_t i = 0; i < picture.width; ++i, pixel += 3)
      canvas.rectangle(x + i * scale, y + j * scale, scale, scale, {pixel[0], pixel[1], pixel[2]});
}

}  // namespace

Picture heated(const Picture& image, std::int64_t scale, const HeatMap& map) {
  Picture picture{.width = image.width * scale, .height = image.height * scale};
  const float largest = map.values.empty() ? 0 : *std::max_element(map.values.begin(), map.values.end());
  const bool glows = largest > 0 && std::isfinite(largest);
  for (std::int64_t j = 0; j < picture.height; ++j)
    for (std::int64_t i = 0; i < picture.width; ++i) {
      const double heat = glows ? heat_at(map, (static_cast<double>(j) + 0.5) / static_cast<double>(picture.height),
                                          (static_cast<double>(i) + 0.5) / static_cast<double>(picture.width)) /
                                      double{largest}
                                : 0;
      const std::uint8_t* pixel = image.rgb.data() + (j / scale * image.width + i / scale) * 3;
      // Rec. 601's luma, darkened: details stay visible under the heat, colours do not compete with it.
      const double grey = 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
      const std::array<double, 3> colour = colour_of(heat);
      const double opacity = 0.15 + 0.5 * heat;
      for (std::size_t c = 0; c < 3; ++c)
        picture.rgb.push_back(
            static_cast<std::uint8_t>(std::lround(std::clamp((1 - opacity) * grey + opacity * colour[c], 0.0, 255.0))));
    }
  return picture;
}

Extents fitting_extents(std::int64_t height, std::int64_t width) {
  const std::int64_t longer = std::max(height, width);
  if (2 * longer <= heat_map_side) return {height, width};
  const auto scaled = [&](std::int64_t side) {
    return std::max<std::int64_t>(1, (side * heat_map_side + longer / 2) / longer);
  };
  return {scaled(height), scaled(width)};
}

Picture explanation_grid(std::span<const Explanation> explanations) {
  constexpr std::int64_t pair = 2 * heat_map_side + inner_gap;
  const auto count = static_cast<std::int64_t>(explanations.size());
  // Pairs are twice as wide as high.
  const auto columns = static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(count) / 2)));
  const std::int64_t rows = (count + columns - 1) / columns;
  Canvas canvas(2 * margin + columns * pair + (columns - 1) * gap,
                2 * margin + rows * (heat_map_side + text_room) + (rows - 1) * gap);
  for (std::int64_t n = 0; n < count; ++n) {
    const Explanation& e = explanations[static_cast<std::size_t>(n)];
    const std::int64_t x = margin + n % columns * (pair + gap), y = margin + n / columns * (heat_map_side + text_room + gap);
    const std::int64_t scale = scale_of(e.image), width = e.image.width * scale, height = e.image.height * scale;
    // Both against the middle and down, so that the words below belong to them.
    const std::int64_t top = y + heat_map_side - height;
    draw(canvas, x + heat_map_side - width, top, e.image, scale);
    draw(canvas, x + heat_map_side + inner_gap, top, heated(e.image, scale, e.map), 1);
    const auto centred = [&](const std::string& words, std::int64_t down, std::int64_t size, Colour colour) {
      const std::string shown = fitting(words, size, pair);
      canvas.text(x + (pair - text_width(shown, size)) / 2, y + heat_map_side + down, shown, size, colour);
    };
    centred(e.answer, 8, answer_scale, ink);
    centred(e.name, 30, 1, faint);
  }
  return canvas.take();
}

}  // namespace tessera
