// One pass of max pooling as cuDNN is asked for it.
#pragma once

#include <string>

#include "kernels/params.h"
#include "kernels/vendor/graph.h"

namespace tessera::kernels::vendor {

enum class MaxPoolOperation { forward, forward_with_index, backward };

struct MaxPoolProblem {
  MaxPoolOperation operation;
  Pool2dShape shape;
  DType type;  // of x, y and their gradients
  int alignment = 16;
};

// A name for the problem: equal problems have equal keys, and no others. No blanks.
std::string key_of(const MaxPoolProblem& problem);

// Whether cuDNN is asked at all; our kernel takes everything else:
//   * x of float32 or of bf16; at least one element everywhere, and less than 2³¹ in each tensor;
//   * windows of at most 127 cells, since its index is a signed byte; less padding in front than window;
//   * an output size that cuDNN's rule gives (graph.h).
bool serves(const MaxPoolProblem& problem);

}  // namespace tessera::kernels::vendor
