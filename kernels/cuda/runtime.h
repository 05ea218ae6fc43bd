// Memory, copies and streams of the device that this build of the kernels runs on: kernels/cuda/runtime.cu for a GPU,
// kernels/emulator/runtime.cpp for the emulator.
#pragma once

#include "kernels/cuda/gpu.h"
#include "kernels/runtime.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

extern const Runtime runtime;

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
