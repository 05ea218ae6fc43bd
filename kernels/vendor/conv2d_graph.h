// A convolution as cuDNN is asked for it.
//
//   forward:   y  = f(scale·conv(x, w) + residual + shift): the convolution and one pointwise operation for each part that
//              is there, joined by virtual tensors. In this order the library's compiled-in engines know residual, shift
//              and ReLU.
//   backward:  dx = conv_backward_data(dy, w),  dw = conv_backward_filter(x, dy), with beta = 1 where they accumulate.
//              dw in float32 from bf16: the library has no such convolution, but one whose virtual float32 result a
//              pointwise operation stores as it is: times one. (As "identity" it knows a single engine, without splits of
//              the sum.)
//
// Arithmetic is float32. Engines are refused by the numerical liberties they take:
//   never     sums in an order that changes from call to call; accumulation below float32; Winograd tiles of 6×6 and more
//   float32   tensor cores and rounded inputs, unless Options::tf32 allows TF32
//   direct    Winograd and FFT
// Compiled at run time (plan.h) are graphs that no compiled-in engine knows: an epilogue in bf16, dw in float32 from bf16.
// Source: cudnnBackend documentation, CUDNN_BACKEND_OPERATION_CONVOLUTION_*_DESCRIPTOR, cudnnBackendNumericalNote_t.
#pragma once

#include "kernels/vendor/conv2d_problem.h"
#include "kernels/vendor/plan.h"

namespace tessera::kernels::vendor {

Problem problem_of(const Conv2dProblem& problem);

}  // namespace tessera::kernels::vendor
