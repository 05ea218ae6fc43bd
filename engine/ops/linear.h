// The fully connected layer's product.
#pragma once

#include "engine/autograd/variable.h"

namespace tessera {

using kernels::Activation;

// y = f(x · wᵀ + bias);  x: [N,in], w: [out,in], bias: [out] or none → [N,out].
//   dx = dz·w,  dw = dzᵀ·x,  dbias = Σ_n dz,  dz = f'·dy.
// ShapeError: wrong ranks, widths that differ.
Variable linear(const Variable& x, const Variable& w, const Variable& bias, Activation activation = Activation::none);

}  // namespace tessera
