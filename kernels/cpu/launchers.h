// The kernels of the `cpu` backend, one per slot: what each computes is said at its slot in kernels/backend.h.
// Kind T is float32 or bf16, kind P float32; anything else is a MissingKernel.
#pragma once

#include "kernels/backend.h"

namespace tessera::kernels::cpu {

// elementwise
void add(Stream&, ConstView a, ConstView b, View y);
void convert(Stream&, ConstView x, Gradient y);
void scale(Stream&, double alpha, ConstView factor, ConstView x, Gradient y);
void activation_forward(Stream&, Activation, ConstView x, View y);
void activation_backward(Stream&, Activation, ConstView y, ConstView dy, Gradient dx);
void dropout(Stream&, const DropoutParams&, const StepState* state, ConstView x, Gradient y);
void permute(Stream&, std::array<int, 4> axes, ConstView x, Gradient y);
void copy_columns(Stream&, std::int64_t columns, ConstView x, std::int64_t from, Gradient y, std::int64_t to);

// reductions
void sum(Stream&, double alpha, ConstView x, Gradient y);
void sum_of_squares(Stream&, double alpha, ConstView x, Gradient y);
void column_sums(Stream&, ConstView x, Gradient y);

// dense
void matmul(Stream&, const MatmulParams&, ConstView a, ConstView b, ConstView bias, Gradient c);

// convolution
void conv2d_forward(Stream&, const Conv2dShape&, ConstView x, ConstView w, const Conv2dEpilogue&, View y);
void conv2d_forward_statistics(Stream&, const Conv2dShape&, ConstView x, ConstView w, ConstView bias, View y,
                               View statistics);
void conv2d_backward_data(Stream&, const Conv2dShape&, ConstView dy, ConstView w, Gradient dx);
void conv2d_backward_weights(Stream&, const Conv2dShape&, ConstView x, ConstView dy, Gradient dw);

// pooling
void max_pool_forward(Stream&, const Pool2dShape&, ConstView x, View y, View index);
void max_pool_backward(Stream&, const Pool2dShape&, ConstView dy, ConstView index, Gradient dx);
void global_average_pool_forward(Stream&, ConstView x, View y);
void global_average_pool_backward(Stream&, ConstView dy, Gradient dx);

// batch normalisation
void batch_norm_training(Stream&, const BatchNormParams&, ConstView x, ConstView statistics, ConstView residual,
                         ConstView gamma, ConstView beta, View running_mean, View running_var, View y, View mean, View rstd);
void batch_norm_inference(Stream&, const BatchNormParams&, ConstView x, ConstView residual, ConstView gamma, ConstView beta,
                          ConstView running_mean, ConstView running_var, View y, View rstd);
void batch_norm_fold(Stream&, const BatchNormParams&, ConstView bias, ConstView gamma, ConstView beta,
                     ConstView running_mean, ConstView running_var, View scale, View shift);
void batch_norm_backward(Stream&, const BatchNormParams&, bool batch_statistics, ConstView x, ConstView y, ConstView dy,
                         ConstView gamma, ConstView mean, ConstView rstd, Gradient dx, Gradient dresidual, Gradient dgamma,
                         Gradient dbeta);

// losses and metrics
void softmax_cross_entropy_forward(Stream&, double smoothing, ConstView logits, ConstView labels, View losses);
void softmax_cross_entropy_backward(Stream&, double smoothing, ConstView logits, ConstView labels, ConstView dloss,
                                    Gradient dlogits);
void sigmoid_cross_entropy_forward(Stream&, ConstView logits, ConstView labels, View losses);
void sigmoid_cross_entropy_backward(Stream&, ConstView logits, ConstView labels, ConstView dloss, Gradient dlogits);
void classification_metrics(Stream&, ConstView logits, ConstView labels, ConstView loss, Metrics* metrics);

// optimiser
void check_finite(Stream&, ConstView x, StepGuard* guard);
void sgd_step(Stream&, const SgdParams&, const StepState* state, const StepGuard* guard, ConstView gradient, View weights,
              View velocity, View copy);
void adam_step(Stream&, const AdamParams&, const StepState* state, const StepGuard* guard, ConstView gradient, View weights,
               View moment1, View moment2, View copy);

// data
void gather_batch(Stream&, const GatherParams&, const StepState* state, ConstView images, ConstView labels, ConstView order,
                  View x, View y);

}  // namespace tessera::kernels::cpu
