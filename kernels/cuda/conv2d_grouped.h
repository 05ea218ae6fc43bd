// Convolution in groups: what the three convolutions call where shape.groups > 1 (conv2d_grouped.cu).
#pragma once

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

void grouped_forward(const LaunchOn& on, const Conv2dShape&, ConstView x, ConstView w, const Conv2dEpilogue&, View y);
void grouped_backward_data(const LaunchOn& on, const Conv2dShape&, ConstView dy, ConstView w, Gradient dx);
void grouped_backward_weights(const LaunchOn& on, const Conv2dShape&, ConstView x, ConstView dy, Gradient dw);

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
