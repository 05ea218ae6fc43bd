// Max pooling as operation graphs of cuDNN's backend API: a resampling whose padding never wins.
//
//   forward:   y, and where wanted the index of each window's winner (a signed byte)
//   backward:  dx from dy and that index
//
// What number the library gives which cell, and which of equal cells wins, is its own: an index is good for its own backward
// pass only. (It can find the winners again from x and y instead; building that plan has been seen to crash cuDNN 9.19.)
// Engines are refused only where their sums change from call to call. With an index, all are compiled at run time (plan.h).
// Source: cudnnBackend documentation, CUDNN_BACKEND_RESAMPLE_DESCRIPTOR, CUDNN_BACKEND_OPERATION_RESAMPLE_*_DESCRIPTOR.
#pragma once

#include "kernels/vendor/max_pool_problem.h"
#include "kernels/vendor/plan.h"

namespace tessera::kernels::vendor {

Problem problem_of(const MaxPoolProblem& problem);

}  // namespace tessera::kernels::vendor
