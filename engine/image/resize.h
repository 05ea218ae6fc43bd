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

namespace tessera {

// Both extents at least 1.
Image resize_bicubic(const Image& image, std::int64_t height, std::int64_t width);

}  // namespace tessera
