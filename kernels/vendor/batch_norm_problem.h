// One pass of batch normalisation with the batch's own statistics as cuDNN is asked for it.
#pragma once

#include <string>

#include "kernels/vendor/graph.h"

namespace tessera::kernels::vendor {

enum class BatchNormOperation { forward, backward };

struct BatchNormProblem {
  BatchNormOperation operation;
  Extents x;
  DType type;                           // of x, residual, y and their gradients
  bool residual = false, relu = false;  // forward: y = relu(… + residual)
  int alignment = 16;                   // of every operand's address, in bytes (at most 16)
};

// The view of a batch: all axes but the last are rows.
Extents batch_extents(const Dims& x);

// A name for the problem: equal problems have equal keys, and no others. No blanks.
std::string key_of(const BatchNormProblem& problem);

// Whether cuDNN is asked at all; our kernel takes everything else:
//   * x of float32 or of bf16, aligned to 16 bytes, less than 2³¹ elements, at least two rows;
//   * channels in whole packs of 16 bytes: its engines have no others;
//   * forward: nothing, ReLU, or a residual and ReLU behind the norm: it has no engine for a residual alone;
//   * backward: dz → dx, dgamma, dbeta (the ReLU in front from y it has no engine for either).
bool serves(const BatchNormProblem& problem);

}  // namespace tessera::kernels::vendor
