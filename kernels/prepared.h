// Calls of slots whose weights never change, as in inference: what is made of the weights alone is made once.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "kernels/backend.h"

namespace tessera::kernels {

// A call on operands that stay where they are; what they hold may change from one call to the next, but for the weights.
using PreparedCall = std::function<void(Stream&)>;

// What was made of weights, by where those lie and the form that they took: calls with the same weights share it.
using KeptWeights = std::map<std::pair<const void*, int>, std::shared_ptr<const float>>;

// The slots of a backend that can be prepared, with the slots' parameters; the weights are w and b. An empty call: nothing is
// gained, the slot itself does as well. Which algorithm computes a shape may be another than the slot's, since here the
// weights' transforms cost nothing; so results may differ in their last bits.
struct Preparation {
  PreparedCall (*conv2d_forward)(Stream&, KeptWeights&, const Conv2dShape&, ConstView x, ConstView w, const Conv2dEpilogue&,
                                 View y);
  PreparedCall (*matmul)(Stream&, KeptWeights&, const MatmulParams&, ConstView a, ConstView b, ConstView bias, Gradient c);
};

// Null: a backend that prepares nothing.
const Preparation* preparation_of(const Backend& backend);

}  // namespace tessera::kernels
