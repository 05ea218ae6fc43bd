// 2-D convolution (cross-correlation) of N,H,W,C images with K,R,S,C filters.
#pragma once

#include "engine/autograd/variable.h"
#include "engine/ops/padding.h"

namespace tessera {

using kernels::Activation;

struct Conv2dOptions {
  std::int64_t stride = 1;
  Padding padding = Padding::none();
  Activation activation = Activation::none;  // fused: y = f(conv + bias)
};

// y[n,p,q,k] = f(Σ_{r,s,c} x[n, p·stride + r − top, q·stride + s − left, c] · w[k,r,s,c] + bias[k]), zero outside x.
// x: [N,H,W,C], w: [K,R,S,C], bias: [K] or none → [N,P,Q,K] with P, Q by window_axis().
// ShapeError: wrong ranks, channels that differ, a filter larger than the padded image.
Variable conv2d(const Variable& x, const Variable& w, const Variable& bias, const Conv2dOptions& options);

}  // namespace tessera
