// The slots that this overlay replaces (formulas at kernels/backend.h), and those it leaves to our kernels.
//
// Replaced, each as far as the library serves (what it does not, our kernels do: conv2d_problem.h and its like):
//   conv2d_forward, conv2d_backward_data, conv2d_backward_weights   cuDNN (conv2d.cpp)
//   batch_norm_training, batch_norm_backward                        cuDNN, but under Search::library_and_own
//   (batch_norm.cpp) max_pool_forward, max_pool_backward                             cuDNN, only under Search::library
//   (max_pool.cpp) matmul                                                          cuBLAS (matmul.cpp)
// Left:
//   conv2d_forward_statistics   empty: cuDNN's convolution with statistics exists for half precision only and sums whole
//                               columns, and our own would keep cuDNN from every convolution in front of a batch norm
//   batch_norm_inference, _fold one pass of ours; folded into the convolution in front there is none left
//   everything else             neither library has it
//
// Verified so far: on machines without a GPU cuDNN 9.19 makes plans for all of these from a description of an H200, those
// it compiles at run time included (tests/vendor). Nothing here has run on a GPU yet: results and times are unknown.
#pragma once

#include "kernels/backend.h"

namespace tessera::kernels::vendor {

void conv2d_forward(Stream& stream, const Conv2dShape& shape, ConstView x, ConstView w, const Conv2dEpilogue& epilogue,
                    View y);
void conv2d_backward_data(Stream& stream, const Conv2dShape& shape, ConstView dy, ConstView w, Gradient dx);
void conv2d_backward_weights(Stream& stream, const Conv2dShape& shape, ConstView x, ConstView dy, Gradient dw);
void max_pool_forward(Stream& stream, const Pool2dShape& shape, ConstView x, View y, View index);
void max_pool_backward(Stream& stream, const Pool2dShape& shape, ConstView dy, ConstView index, Gradient dx);
void batch_norm_training(Stream& stream, const BatchNormParams& params, ConstView x, ConstView statistics,
                         ConstView residual, ConstView gamma, ConstView beta, View running_mean, View running_var, View y,
                         View mean, View rstd);
void batch_norm_backward(Stream& stream, const BatchNormParams& params, bool batch_statistics, ConstView x, ConstView y,
                         ConstView dy, ConstView gamma, ConstView mean, ConstView rstd, Gradient dx, Gradient dresidual,
                         Gradient dgamma, Gradient dbeta);
void matmul(Stream& stream, const MatmulParams& params, ConstView a, ConstView b, ConstView bias, Gradient c);

}  // namespace tessera::kernels::vendor
