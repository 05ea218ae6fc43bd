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

// A name for the problem: equal problems have equal keys, and no others. No blanks.
std::string key_of(const Conv2dProblem& problem);

struct Conv2dProblemHash {
  std::size_t operator()(const Conv2dProblem& problem) const;
};

// Rows and columns of zeros behind the input, as cuDNN wants to be told: what the outputs reach beyond it.
std::int64_t padding_behind(std::int64_t input, std::int64_t filter, std::int64_t output, std::int64_t stride,
                            std::int64_t before);

// Whether cuDNN is asked at all; our kernel takes everything else:
//   * x, w and y all of float32 or all of bf16, dw float32;
//   * at least one element everywhere, and less than 2³¹ in each tensor;
//   * an output size that cuDNN's rule ⌊(in + before + behind − filter)/stride⌋ + 1 gives: not one cut short.
// Whether it has an engine for the problem it says itself, when it is asked (conv2d_plan.h); where not, ours again.
bool serves(const Conv2dProblem& problem);

}  // namespace tessera::kernels::vendor
