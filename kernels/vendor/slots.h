// The slots that this overlay replaces (formulas at kernels/backend.h), and those it leaves to our kernels.
//
// Replaced: conv2d_forward, conv2d_backward_data, conv2d_backward_weights (cuDNN, conv2d.cpp); matmul (cuBLAS, matmul.cpp).
// Left:
//   conv2d_forward_statistics   empty: cuDNN's convolution with statistics exists for half precision only and sums whole
//                               columns, and our own would keep cuDNN from every convolution in front of a batch norm
//   max_pool_*                  cuDNN's backward pass finds the maximum again from x and y, which our table does not hand it
//                               (ours takes the index of the forward pass); and its ties and NaNs are its own
//   batch_norm_*                cuDNN's fused forms keep a reserve space between the passes, for which the table has no
//   operand,
//                               and are not to be had for float32; the plain form is a pass more than our fused kernels
//                               make, promises nothing about large means and always takes the unbiased variance into the
//                               running one
//   everything else             neither library has it
#pragma once

#include "kernels/backend.h"

namespace tessera::kernels::vendor {

void conv2d_forward(Stream& stream, const Conv2dShape& shape, ConstView x, ConstView w, const Conv2dEpilogue& epilogue,
                    View y);
void conv2d_backward_data(Stream& stream, const Conv2dShape& shape, ConstView dy, ConstView w, Gradient dx);
void conv2d_backward_weights(Stream& stream, const Conv2dShape& shape, ConstView x, ConstView dy, Gradient dw);
void matmul(Stream& stream, const MatmulParams& params, ConstView a, ConstView b, ConstView bias, Gradient c);

}  // namespace tessera::kernels::vendor
