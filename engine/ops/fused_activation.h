// An activation behind a product (conv2d, linear): where it is computed, and its gradient.
#pragma once

#include "engine/ops/elementwise.h"

namespace tessera {

// y = f(product): in the product's epilogue where the gradient of f needs y alone, else in a pass of its own behind it,
// since an epilogue does not keep its input. product(fused): the product with `fused` in its epilogue.
template <class Product>
Variable with_activation(Activation f, const Product& product) {
  return kernels::needs_input(f) ? activate(product(Activation::none), f) : product(f);
}

// The gradient in front of a fused activation, from the output y (not read where there is none) and the gradient dy.
inline Tensor before_activation(Activation fused, const Tensor& y, const Tensor& dy) {
  if (fused == Activation::none) return dy;
  Tensor dz = dy.like();
  dy.on().run(&Backend::activation_backward, fused, y, dy, {dz, false});
  return dz;
}

}  // namespace tessera
