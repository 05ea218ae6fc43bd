// Concatenation of images along their channels.
#pragma once

#include <initializer_list>

#include "engine/autograd/variable.h"

namespace tessera {

// y = the parts side by side along the last axis: [..., C1], [..., C2], … → [..., C1 + C2 + …], in the order given.
// ShapeError: no part, or parts that differ in another axis.
Variable concat(std::initializer_list<Variable> parts);

}  // namespace tessera
