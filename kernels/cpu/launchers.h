// The kernels of the `cpu` backend, one per slot that it has (table.cpp): what each computes is said in kernels/slots.def.
// Kind T is float32 or bf16, kind P float32; anything else is a MissingKernel.
#pragma once

#include "kernels/backend.h"

namespace tessera::kernels::cpu {

#define TESSERA_SLOT(name, ...) void name(Stream&, __VA_ARGS__);
#include "kernels/slots.def"

}  // namespace tessera::kernels::cpu
