// Shapes of tensors: up to four extents, and how they are written in messages.
#pragma once

#include <string>

#include "kernels/view.h"

namespace tessera {

using kernels::DType;
using Shape = kernels::Dims;

// "[32, 16, 16, 64]"
std::string to_string(const Shape& shape);

}  // namespace tessera
