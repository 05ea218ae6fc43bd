#include "engine/report/image_grid.h"

#include <algorithm>
#include <cmath>

namespace tessera {
namespace {

constexpr std::int64_t image_side = 160;  // about, on the picture
constexpr std::int64_t margin = 32, gap = 24, label_room = 28, title_room = 44, text_scale = 2;

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
