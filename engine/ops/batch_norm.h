// Batch normalisation over all axes but the last, with the residual add and the ReLU that follow it fused in (another
// activation is a pass of its own).
#pragma once

#include "engine/autograd/variable.h"

namespace tessera {

using kernels::Activation;
using kernels::BatchNormParams;

// y = f(gamma·(x − mean)/√(var + ε) + beta + residual), per channel (last axis).
// x, residual (may be none): [..., C];  gamma, beta, running_mean, running_var: [C].
//
// statistics: of x, where the convolution that made it handed them over (conv2d_with_statistics), or none.
// batch_statistics: mean and biased variance of this batch; the running values are updated in place (BatchNormParams).
// Otherwise mean and variance are the running values, which stay as they are, and no gradient flows through statistics.
// Source: Ioffe & Szegedy 2015; framework rules in BatchNormParams. ShapeError: shapes that differ.
Variable batch_norm(const Variable& x, const Variable& residual, const Variable& gamma, const Variable& beta,
                    const Tensor& running_mean, const Tensor& running_var, const BatchNormParams& params,
                    bool batch_statistics, const Tensor& statistics = {});

// ShapeError where those operands do not fit each other.
void require_batch_norm_shapes(const Variable& x, const Variable& residual, const Variable& gamma, const Variable& beta,
                               const Tensor& running_mean, const Tensor& running_var);

}  // namespace tessera
