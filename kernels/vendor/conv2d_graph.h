// A convolution as an operation graph of cuDNN's backend API.
//
//   forward:   y  = f(scale·conv(x, w) + residual + shift): the convolution and one pointwise operation for each part that
//   is
//              there, joined by virtual float32 tensors (they exist in registers only, so y is rounded once). In this order
//              the library's compiled-in engines know residual, shift and ReLU.
//   backward:  dx = conv_backward_data(dy, w),  dw = conv_backward_filter(x, dy), with beta = 1 where they accumulate
//
// The library names axes N,C,H,W (filters K,C,R,S) whatever lies in memory; strides say that ours is N,H,W,C and K,R,S,C.
// Arithmetic is float32; which of its numerical liberties an engine takes is filtered afterwards (conv2d_plan.h).
// Source: cudnnBackend documentation, CUDNN_BACKEND_OPERATION_CONVOLUTION_*_DESCRIPTOR and _POINTWISE_DESCRIPTOR.
#pragma once

#include <deque>

#include "kernels/vendor/conv2d_problem.h"
#include "kernels/vendor/descriptor.h"

namespace tessera::kernels::vendor {

// The operands' names in a graph: unique identifiers, given once more with their addresses when a plan runs.
enum class Operand : std::int64_t { x = 1, w, y, scale, shift, residual };

struct Graph {
  std::deque<Descriptor> parts;  // what `operations` is made of: its tensors and operations
  Descriptor operations;
};

// What plans are made for: the device of a handle, or with `device` one that need not be here (a device property
// descriptor), for tests on machines without a GPU.
struct Target {
  const Cudnn& cudnn;
  cudnnHandle_t handle = nullptr;
  const Descriptor* device = nullptr;
};

// Throws DeviceError where cuDNN refuses the graph.
Graph build_graph(const Target& target, const Conv2dProblem& problem);

}  // namespace tessera::kernels::vendor
