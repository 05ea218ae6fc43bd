// Elementwise ops, and the change of layout between images and vectors.
#pragma once

#include "engine/autograd/variable.h"

namespace tessera {

using kernels::Activation;

// y = f(x): formulas, gradients and sources in kernels/activation.h.
Variable activate(const Variable& x, Activation activation);
inline Variable relu(const Variable& x) { return activate(x, Activation::relu); }
inline Variable sigmoid(const Variable& x) { return activate(x, Activation::sigmoid); }
inline Variable gelu(const Variable& x) { return activate(x, Activation::gelu); }
inline Variable silu(const Variable& x) { return activate(x, Activation::silu); }

// y = a + b, of one shape.
Variable add(const Variable& a, const Variable& b);

// The same numbers in another type (bf16: rounded to nearest, ties to even); x itself where it has that type.
Variable convert(const Variable& x, DType type);

// Inverted dropout: y = x·keep/(1−p) with keep drawn anew for every step, layer and element (kernels/philox.h).
// `state` (device memory, outlives the backward pass) holds the step.
Variable dropout(const Variable& x, const kernels::DropoutParams& params, const kernels::StepState* state);

// [N,H,W,C] → [N, C·H·W] in C,H,W order, as PyTorch and Paddle flatten; so linear weights are the same in files and memory.
Variable flatten(const Variable& x);

}  // namespace tessera
