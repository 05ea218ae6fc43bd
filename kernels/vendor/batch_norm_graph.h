// Batch normalisation in training as operation graphs of cuDNN's backend API.
//
//   forward:   y = relu?(norm(x; scale, shift, ε) + residual?), and the batch's mean and rstd: the norm and a pointwise
//              operation for each part behind it, joined by virtual tensors
//   backward:  dx, dscale, dshift of the norm alone, from dy, x, scale, mean and rstd
//
// ε is an operand on the host. The running statistics are not part of it: whether the library's own take the variance times
// M/(M−1) is not documented for graphs. Nor is how it sums the variance.
// Engines are refused only where their sums change from call to call. All are compiled at run time (plan.h).
// Source: cudnnBackend documentation, CUDNN_BACKEND_OPERATION_NORM_FORWARD_DESCRIPTOR and _NORM_BACKWARD_DESCRIPTOR.
#pragma once

#include "kernels/vendor/batch_norm_problem.h"
#include "kernels/vendor/plan.h"

namespace tessera::kernels::vendor {

Problem problem_of(const BatchNormProblem& problem);

}  // namespace tessera::kernels::vendor
