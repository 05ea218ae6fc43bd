// One convolution as cuDNN is asked for it: which of the three, the sizes, the element types and what is fused to it.
// Whatever decides which plan is right is in here, and therefore in its key.
#pragma once

#include <string>

#include "kernels/params.h"
#include "kernels/stream.h"
#include "kernels/view.h"

namespace tessera::kernels::vendor {

enum class Conv2dOperation { forward, backward_data, backward_weights };

struct Conv2dProblem {
  Conv2dOperation operation;
  Conv2dShape shape;
  DType type;                                           // of x, w, y and of the gradients of x and y
  DType result;                                         // of what is written: type, but P for dw
  bool scale = false, shift = false, residual = false;  // epilogue: f(scale·sum + shift + residual)
  Activation activation = Activation::none;
  bool accumulate = false;
  int alignment = 16;   // of every operand's address, in bytes (at most 16)
  bool tf32 = false;    // Options::tf32
  bool direct = false;  // Options::direct_convolution

  bool operator==(const Conv2dProblem&) const = default;
};

// Whether the result is wider than the operands: dw in float32 from bf16.
inline bool widens(const Conv2dProblem& problem) { return problem.result != problem.type; }

// A name for the problem: equal problems have equal keys, and no others. No blanks.
std::string key_of(const Conv2dProblem& problem);

// Whether cuDNN is asked at all; our kernel takes everything else:
//   * x, w and y all of float32 or all of bf16, dw float32;
//   * dw from bf16: overwritten, since it passes through an operation that does not add;
//   * at least one element everywhere, and less than 2³¹ in each tensor;
//   * an output size that cuDNN's rule ⌊(in + before + behind − filter)/stride⌋ + 1 gives: not one cut short.
// Whether it has an engine for the problem it says itself, when it is asked (plan.h); where not, ours again.
bool serves(const Conv2dProblem& problem);

}  // namespace tessera::kernels::vendor
