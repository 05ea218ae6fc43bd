// What every op checks before it calls a kernel, so that a wrong shape fails where it is called and says why.
#pragma once

#include <string>

#include "engine/core/tensor.h"

namespace tessera {

inline void require(bool holds, const std::string& message) {
  if (!holds) throw ShapeError(message);
}

inline void require_shape(const char* op, const char* what, const Tensor& tensor, const Shape& expected) {
  require(tensor.shape() == expected,
          std::string("[") + op + "] " + what + " is " + to_string(tensor.shape()) + ", expected " + to_string(expected));
}

inline void require_rank(const char* op, const char* what, const Tensor& tensor, int rank, const char* axes) {
  require(static_cast<bool>(tensor), std::string("[") + op + "] " + what + " is missing");
  require(tensor.shape().rank == rank, std::string("[") + op + "] " + what + " is " + to_string(tensor.shape()) +
                                           ", expected " + std::to_string(rank) + " axes (" + axes + ")");
}

}  // namespace tessera
