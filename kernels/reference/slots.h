// The reference kernels, one per slot; formulas, shapes and rules are in kernels/slots.def and kernels/backend.h.
//
// They are the truth that other backends and the gradient checks are measured against: plain loops that follow the
// formulas, for float32 and float64, with every sum in double and in index order. Nothing is vectorised, threaded or
// reused; speed is of no account.
#pragma once

#include "kernels/backend.h"

namespace tessera::kernels::reference {

#define TESSERA_SLOT(name, ...) void name(Stream&, __VA_ARGS__);
#include "kernels/slots.def"

}  // namespace tessera::kernels::reference
