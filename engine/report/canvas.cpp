#include "engine/report/canvas.h"

#include <algorithm>

#include "engine/report/font.h"

namespace tessera {

Canvas::Canvas(std::int64_t width, std::int64_t height) : picture_{.width = width, .height = height} {
  picture_.rgb.resize(static_cast<std::size_t>(width * height * 3));
  rectangle(0, 0, width, height, paper);
}

void Canvas::rectangle(std::int64_t x, std::int64_t y, std::int64_t width, std::int64_t height, Colour colour) {
  const std::int64_t bottom = std::min(y + height, picture_.height), right = std::min(x + width, picture_.width);
  for (std::int64_t j = std::max<std::int64_t>(y, 0); j < bottom; ++j)
    for (std::int64_t i = std::max<std::int64_t>(x, 0); i < right; ++i) {
      std::uint8_t* to = picture_.rgb.data() + (j * picture_.width + i) * 3;
      to[0] = colour.r, to[1] = colour.g, to[2] = colour.b;
    }
}

void Canvas::text(std::int64_t x, std::int64_t y, const std::string& words, std::int64_t scale, Colour colour) {
  for (const char c : words) {
    const auto columns = letter(c);
    for (std::int64_t i = 0; i < letter_width; ++i)
      for (std::int64_t j = 0; j < letter_height; ++j)
        if ((columns[static_cast<std::size_t>(i)] >> j & 1) != 0)
          rectangle(x + i * scale, y + j * scale, scale, scale, colour);
    x += letter_advance * scale;
  }
}

std::int64_t text_width(const std::string& words, std::int64_t scale) {
  return (static_cast<std::int64_t>(words.size()) * letter_advance - 1) * scale;
}

std::string fitting(std::string words, std::int64_t scale, std::int64_t width) {
  if (text_width(words, scale) <= width) return words;
  while (!words.empty() && text_width(words + "..", scale) > width) words.pop_back();
  return words + "..";
}

}  // namespace tessera
