// A picture that is drawn: rectangles and words.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera {

struct Picture {
  std::int64_t width = 0, height = 0;
  std::vector<std::uint8_t> rgb = {};  // [height, width, 3]
};

struct Colour {
  std::uint8_t r, g, b;
};
inline constexpr Colour paper{255, 255, 255}, ink{38, 44, 54}, faint{128, 136, 148};

// What lies outside of it is not drawn.
class Canvas {
 public:
  Canvas(std::int64_t width, std::int64_t height);  // of paper

  void rectangle(std::int64_t x, std::int64_t y, std::int64_t width, std::int64_t height, Colour colour);
  // In the font of report/font.h, each of its dots a square of `scale` pixels.
  void text(std::int64_t x, std::int64_t y, const std::string& words, std::int64_t scale, Colour colour);
  Picture take() { return std::move(picture_); }

 private:
  Picture picture_;
};

std::int64_t text_width(const std::string& words, std::int64_t scale);
// Cut so that it is no wider than `width`.
std::string fitting(std::string words, std::int64_t scale, std::int64_t width);

}  // namespace tessera
