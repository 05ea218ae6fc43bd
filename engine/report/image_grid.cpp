#include "engine/report/image_grid.h"

#include <algorithm>
#include <cmath>

#include "engine/report/font.h"

namespace tessera {
namespace {

struct Colour {
  std::uint8_t r, g, b;
};
constexpr Colour paper{255, 255, 255}, ink{38, 44, 54}, faint{128, 136, 148};
constexpr std::int64_t image_side = 160;  // about, on the picture
constexpr std::int64_t margin = 32, gap = 24, label_room = 28, title_room = 44, text_scale = 2;

class Canvas {
 public:
  Canvas(std::int64_t width, std::int64_t height) : picture_{.width = width, .height = height} {
    picture_.rgb.resize(static_cast<std::size_t>(width * height * 3));
    rectangle(0, 0, width, height, paper);
  }

  void rectangle(std::int64_t x, std::int64_t y, std::int64_t width, std::int64_t height, Colour colour) {
    for (std::int64_t j = y; j < y + height; ++j)
      for (std::int64_t i = x; i < x + width; ++i) {
        std::uint8_t* to = picture_.rgb.data() + (j * picture_.width + i) * 3;
        to[0] = colour.r, to[1] = colour.g, to[2] = colour.b;
      }
  }
  void text(std::int64_t x, std::int64_t y, const std::string& words, std::int64_t scale, Colour colour) {
    for (const char c : words) {
      const auto columns = letter(c);
      for (std::int64_t i = 0; i < letter_width; ++i)
        for (std::int64_t j = 0; j < letter_height; ++j)
          if ((columns[static_cast<std::size_t>(i)] >> j & 1) != 0)
            rectangle(x + i * scale, y + j * scale, scale, scale, colour);
      x += letter_advance * scale;
    }
  }
  Picture take() { return std::move(picture_); }

 private:
  Picture picture_;
};

std::int64_t text_width(const std::string& words, std::int64_t scale) {
  return (static_cast<std::int64_t>(words.size()) * letter_advance - 1) * scale;
}

// Cut so that it is no wider than `width`.
std::string fitting(std::string words, std::int64_t scale, std::int64_t width) {
  if (text_width(words, scale) <= width) return words;
  while (!words.empty() && text_width(words + "..", scale) > width) words.pop_back();
  return words + "..";
}

}  // namespace

Picture image_grid(const ImageSet& set, std::int64_t first, std::int64_t count, std::span<const std::string> classes,
                   const std::string& title) {
  const auto columns = static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(count))));
  const std::int64_t rows = (count + columns - 1) / columns;
  const std::int64_t scale = std::max<std::int64_t>(1, image_side / std::max(set.width, set.height));
  const std::int64_t width = set.width * scale, height = set.height * scale;
  Canvas canvas(2 * margin + columns * width + (columns - 1) * gap,
                margin + title_room + rows * (height + label_room) + (rows - 1) * (gap - 8) + margin - 8);
  const std::int64_t inner = columns * width + (columns - 1) * gap;
  canvas.text(margin, margin - 4, fitting(title, text_scale, inner), text_scale, faint);

  for (std::int64_t n = 0; n < count; ++n) {
    const std::int64_t x = margin + n % columns * (width + gap);
    const std::int64_t y = margin + title_room + n / columns * (height + label_room + gap - 8);
    const std::uint8_t* pixel = set.image(first + n).data();
    for (std::int64_t j = 0; j < set.height; ++j)
      for (std::int64_t i = 0; i < set.width; ++i, pixel += set.channels)
        canvas.rectangle(x + i * scale, y + j * scale, scale, scale,
                         {pixel[0], pixel[set.channels > 1 ? 1 : 0], pixel[set.channels > 2 ? 2 : 0]});

    const std::int32_t label = set.labels[static_cast<std::size_t>(first + n)];
    const std::string name =
        static_cast<std::size_t>(label) < classes.size() ? classes[static_cast<std::size_t>(label)] : std::to_string(label);
    // A long name is written smaller before it is cut.
    const std::int64_t size = text_width(name, text_scale) <= width ? text_scale : 1;
    const std::string words = fitting(name, size, width);
    canvas.text(x + (width - text_width(words, size)) / 2, y + height + 8, words, size, ink);
  }
  return canvas.take();
}

}  // namespace tessera
