// The launchers: one function per slot of kernels/slots.def (formulas and shapes stand there), each defined in the file of
// its name or of its family.
#pragma once

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

#define TESSERA_SLOT(name, ...) void name(Stream&, __VA_ARGS__);
#include "kernels/slots.def"

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
