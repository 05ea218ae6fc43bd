// Images of a data set side by side with their labels, as one picture.
#pragma once

#include <span>
#include <string>

#include "engine/data/dataset.h"
#include "engine/report/canvas.h"

namespace tessera {

// Images [first, first + count) of the set, row by row, about as many columns as rows. Every image pixel becomes a square,
// so that what the network is given can be seen as it is; the class name stands below, the title above.
Picture image_grid(const ImageSet& set, std::int64_t first, std::int64_t count, std::span<const std::string> classes,
                   const std::string& title);

}  // namespace tessera
