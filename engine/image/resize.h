// Resizing as Pillow's Image.resize does by default: bicubic with antialiasing. The same bytes come out.
//
// Along one axis, n_in → n_out samples: scale = n_in/n_out, s = max(1, scale), support = 2·s; the centre of output i is
// c = (i + 0.5)·scale; inputs x from int(c − support + 0.5) to int(c + support + 0.5), the latter left out, both cut to the
// image, have weight f((x − c + 0.5)/s), normalised to sum 1 and rounded to multiples of 2^−22. f is Keys' cubic with
// a = −0.5:
//   f(t) = (a+2)|t|³ − (a+3)|t|² + 1        for |t| < 1
//          a|t|³ − 5a|t|² + 8a|t| − 4a      for |t| < 2, else 0
// The horizontal pass comes first; each pass rounds its sums to integers and clips them to 0 … 255.
// Source: Keys, "Cubic Convolution Interpolation for Digital Image Processing", IEEE ASSP 29 (1981); Pillow's documentation.
#pragma once

#include "engine/image/image.h"
#include "engine/image/orientation.h"

namespace tessera {

// Both extents at least 1.
Image resize_bicubic(const Image& image, std::int64_t height, std::int64_t width);

// The same for a picture that comes row by row and is turned upright first. Neither it nor its narrowed form is ever whole
// in memory: each row goes at once into the sums of the few output rows that it belongs to.
class RowResizer {
 public:
  // Extents of the picture as it comes, and of the result.
  RowResizer(std::int64_t height, std::int64_t width, Orientation orientation, std::int64_t to_height,
             std::int64_t to_width);
  void add(const std::uint8_t* row);  // width·3 bytes
  Image finish();                     // after the last row

 private:
  // The inputs of one output, and their weights in units of 2^-22.
  struct Window {
    std::int64_t first = 0;
    std::vector<std::int32_t> weights = {};
  };
  static std::vector<Window> windows_of(std::int64_t in, std::int64_t out);
  // One pass along a row: the outputs' bytes, `step` bytes apart.
  static void along(const std::vector<Window>& windows, const std::uint8_t* row, std::uint8_t* to, std::int64_t step);

  std::int64_t height_, width_, to_height_, to_width_, next_ = 0;
  Orientation orientation_;
  std::vector<Window> along_rows_, across_rows_;
  std::vector<std::uint8_t> row_, narrow_;  // the current row, mirrored; its outputs
  std::size_t line_ = 0;                    // samples in a line of sums
  std::vector<std::int32_t> sums_;          // [across_rows_, line_]
};

}  // namespace tessera
