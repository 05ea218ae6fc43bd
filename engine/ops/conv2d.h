// 2-D convolution (cross-correlation) of N,H,W,C images with K,R,S,C filters.
#pragma once

#include "engine/autograd/variable.h"
#include "engine/ops/padding.h"

namespace tessera {

using kernels::Activation;

struct Conv2dOptions {
  std::int64_t stride = 1;
  Padding padding = Padding::none();
  Activation activation = Activation::none;  // y = f(conv + bias)
  std::int64_t groups = 1;                   // divides C and K; each filter sees the C/groups channels of its own group
};

// y[n,p,q,k] = f(Σ_{r,s,c} x[n, p·stride + r − top, q·stride + s − left, c] · w[k,r,s,c] + bias[k]), zero outside x.
// In groups c runs over the channels of k's group (kernels/params.h, Conv2dShape); groups = C: a depthwise convolution.
// x: [N,H,W,C], w: [K,R,S,C/groups], bias: [K] or none → [N,P,Q,K] with P, Q by window_axis().
// ShapeError: wrong ranks, channels that differ or that the groups do not divide, a filter larger than the padded image.
Variable conv2d(const Variable& x, const Variable& w, const Variable& bias, const Conv2dOptions& options);

// The same without an activation, and what batch_norm would otherwise have to read y once more for
// (kernels/slots.def: conv2d_forward_statistics); no tensor where the backend has no such kernel.
struct Conv2dWithStatistics {
  Variable y;
  Tensor statistics;
};
Conv2dWithStatistics conv2d_with_statistics(const Variable& x, const Variable& w, const Variable& bias,
                                            const Conv2dOptions& options);

// Convolution, batch normalisation by running statistics, residual add and activation in one pass, for inference: values
// in, a value out, no gradient.
//   y = f(gamma·(conv(x, w) + bias − mean)/√(var + ε) + beta + residual)
// bias, residual may be none; otherwise as conv2d and batch_norm.
struct FoldedNorm {
  Tensor gamma, beta, running_mean, running_var;  // [K]
  kernels::BatchNormParams params;
};
Tensor conv2d_folded(const Variable& x, const Variable& w, const Variable& bias, const Conv2dOptions& options,
                     const FoldedNorm& norm, const Tensor& residual);

}  // namespace tessera
