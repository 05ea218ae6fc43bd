// The launchers: one function per slot of kernels/backend.h (formulas, shapes and rules stand there), each defined in the
// file of its name or of its family.
#pragma once

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

void add(Stream& stream, ConstView a, ConstView b, View y);
void convert(Stream& stream, ConstView x, Gradient y);
void scale(Stream& stream, double alpha, ConstView factor, ConstView x, Gradient y);
void activation_forward(Stream& stream, Activation activation, ConstView x, View y);
void activation_backward(Stream& stream, Activation activation, ConstView y, ConstView dy, Gradient dx);
void dropout(Stream& stream, const DropoutParams& params, const StepState* state, ConstView x, Gradient y);
void permute(Stream& stream, std::array<int, 4> axes, ConstView x, Gradient y);
void copy_columns(Stream& stream, std::int64_t columns, ConstView x, std::int64_t from, Gradient y, std::int64_t to);
void sum(Stream& stream, double alpha, ConstView x, Gradient y);
void sum_of_squares(Stream& stream, double alpha, ConstView x, Gradient y);
void column_sums(Stream& stream, ConstView x, Gradient y);
void matmul(Stream& stream, const MatmulParams& params, ConstView a, ConstView b, ConstView bias, Gradient c);
void conv2d_forward(Stream& stream, const Conv2dShape& shape, ConstView x, ConstView w, const Conv2dEpilogue& epilogue,
                    View y);
void conv2d_forward_statistics(Stream& stream, const Conv2dShape& shape, ConstView x, ConstView w, ConstView bias, View y,
                               View statistics);
void conv2d_backward_data(Stream& stream, const Conv2dShape& shape, ConstView dy, ConstView w, Gradient dx);
void conv2d_backward_weights(Stream& stream, const Conv2dShape& shape, ConstView x, ConstView dy, Gradient dw);
void max_pool_forward(Stream& stream, const Pool2dShape& shape, ConstView x, View y, View index);
void max_pool_backward(Stream& stream, const Pool2dShape& shape, ConstView dy, ConstView index, Gradient dx);
void global_average_pool_forward(Stream& stream, ConstView x, View y);
void global_average_pool_backward(Stream& stream, ConstView dy, Gradient dx);
void batch_norm_training(Stream& stream, const BatchNormParams& params, ConstView x, ConstView statistics,
                         ConstView residual, ConstView gamma, ConstView beta, View running_mean, View running_var, View y,
                         View mean, View rstd);
void batch_norm_inference(Stream& stream, const BatchNormParams& params, ConstView x, ConstView residual, ConstView gamma,
                          ConstView beta, ConstView running_mean, ConstView running_var, View y, View rstd);
void batch_norm_fold(Stream& stream, const BatchNormParams& params, ConstView bias, ConstView gamma, ConstView beta,
                     ConstView running_mean, ConstView running_var, View scale, View shift);
void batch_norm_backward(Stream& stream, const BatchNormParams& params, bool batch_statistics, ConstView x, ConstView y,
                         ConstView dy, ConstView gamma, ConstView mean, ConstView rstd, Gradient dx, Gradient dresidual,
                         Gradient dgamma, Gradient dbeta);
void softmax_cross_entropy_forward(Stream& stream, double smoothing, ConstView logits, ConstView labels, View losses);
void softmax_cross_entropy_backward(Stream& stream, double smoothing, ConstView logits, ConstView labels, ConstView dloss,
                                    Gradient dlogits);
void sigmoid_cross_entropy_forward(Stream& stream, ConstView logits, ConstView labels, View losses);
void sigmoid_cross_entropy_backward(Stream& stream, ConstView logits, ConstView labels, ConstView dloss, Gradient dlogits);
void classification_metrics(Stream& stream, ConstView logits, ConstView labels, ConstView loss, Metrics* metrics);
void check_finite(Stream& stream, ConstView x, StepGuard* guard);
void sgd_step(Stream& stream, const SgdParams& params, const StepState* state, const StepGuard* guard, ConstView gradient,
              View weights, View velocity, View copy);
void adam_step(Stream& stream, const AdamParams& params, const StepState* state, const StepGuard* guard, ConstView gradient,
               View weights, View moment1, View moment2, View copy);
void gather_batch(Stream& stream, const GatherParams& params, const StepState* state, ConstView images, ConstView labels,
                  ConstView order, View x, View y);

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
