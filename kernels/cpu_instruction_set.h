// Which instruction set the `cpu` backend runs on: its kernels of one set round otherwise than those of another.
#pragma once

#include "kernels/instruction_set.h"

namespace tessera::kernels {

// The set that is meant: of best, the best that this processor has. Throws DeviceError for one that it does not have, or that
// is not built in.
InstructionSet cpu_instruction_set(InstructionSet wanted);

}  // namespace tessera::kernels
