// How a picture is to be turned before people look at it: the orientation tag of EXIF.
//
// A camera stores what its sensor saw, and how the camera was held: 1 upright, 2 mirrored, 3 upside down, … 8. With rows and
// columns of the stored picture reversed as said here, pixel (y, x) of the upright one is its pixel (y, x), or (x, y) where
// it is transposed.
// Source: CIPA DC-008 (EXIF 2.3), tag 0x0112 of IFD0; TIFF 6.0 for the layout.
#pragma once

#include <cstdint>

#include "engine/files/io.h"

namespace tessera {

struct Orientation {
  bool transposed = false, rows_reversed = false, columns_reversed = false;
};

// EXIF's number; upright where it is not 1 to 8.
Orientation orientation_of(std::uint32_t number);

// From EXIF data: a TIFF header ("II*\0" or "MM\0*") and what follows. Upright where there is no such tag, or the data is
// not sane: a photo is not refused for its notes.
Orientation exif_orientation(ByteSpan tiff);

}  // namespace tessera
