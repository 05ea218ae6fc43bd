// Calls of slots whose weights never change, as in inference: what is made of the weights alone is made once.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/backend.h"

namespace tessera::kernels {

// A call on operands that stay where they are; what they hold may change from one call to the next, but for the weights.
using PreparedCall = std::function<void(Stream&)>;

// What was made of weights, by where those lie and the form that they took: calls with the same weights share it.
using KeptWeights = std::map<std::pair<const void*, int>, std::shared_ptr<const float>>;

// A product in whole numbers of eight bits. Of output channel k the weights are weight_scales[k]·q, q in −63 … 63; the
// activations are taken for input_scale·(q − zero_point), q = min(max(round(x/input_scale) + zero_point, 0), 127). Sums are
// exact, and scales, shift, residual and activation follow in float32. Seven bits of either: then AVX2 can add four products
// in 16 bits, which takes three quarters of the instructions, and none can saturate (4·127·63 < 2¹⁵): every instruction set
// gives the same sums.
inline constexpr int int8_most_weight = 63, int8_most_input = 127;
struct Int8Product {
  std::vector<float> weight_scales;
  float input_scale = 1;
  std::int32_t zero_point = 0;

  bool operator==(const Int8Product&) const = default;
};

// A dense layer of n images as the convolution of 1×1 that it is.
inline Conv2dShape dense_as_convolution(std::int64_t n, std::int64_t in, std::int64_t out) {
  return {
      .n = n, .h = 1, .w = 1, .c = in, .k = out, .r = 1, .s = 1, .p = 1, .q = 1, .stride = 1, .pad_top = 0, .pad_left = 0};
}

// May a convolution, or a dense layer as one, be computed so? Without groups, and its sums in 32 bits.
bool int8_possible(const Conv2dShape&);

// The slots of a backend that can be prepared, with the slots' parameters; the weights are w and b. An empty call: nothing is
// gained, the slot itself does as well. Which algorithm computes a shape may be another than the slot's, since here the
// weights' transforms cost nothing; so results may differ in their last bits.
struct Preparation {
  PreparedCall (*conv2d_forward)(Stream&, KeptWeights&, const Conv2dShape&, ConstView x, ConstView w, const Conv2dEpilogue&,
                                 View y);
  PreparedCall (*matmul)(Stream&, KeptWeights&, const MatmulParams&, ConstView a, ConstView b, ConstView bias, Gradient c);
  // The same in eight bits, never empty. w holds the weights as floats, weight_scales[k]·q; epilogue.scale stays as it is.
  // MissingKernel: not possible, not float32, or b not transposed. What meets an image's NaN or infinity becomes NaN.
  PreparedCall (*conv2d_forward_int8)(Stream&, KeptWeights&, const Int8Product&, const Conv2dShape&, ConstView x,
                                      ConstView w, const Conv2dEpilogue&, View y);
  PreparedCall (*matmul_int8)(Stream&, KeptWeights&, const Int8Product&, const MatmulParams&, ConstView a, ConstView b,
                              ConstView bias, Gradient c);
};

// Null: a backend that prepares nothing.
const Preparation* preparation_of(const Backend& backend);

}  // namespace tessera::kernels
