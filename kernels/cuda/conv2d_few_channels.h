// Convolutions of few channels (few_channels, params.h), which fill no tile of a product: computed as they are written down.
#pragma once

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

// conv2d_forward of such a shape.
void few_channels_forward(const LaunchOn& on, const Conv2dShape& shape, ConstView x, ConstView w,
                          const Conv2dEpilogue& epilogue, View y);

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
