// Do kernels that are timed compute the same? At sizes that no reference on a CPU is waited for, a device's kernels are held
// against each other: what came out in bf16 or TF32, ours and the vendor's, against ours in float32 without tensor cores, from
// the same numbers.
#pragma once

#include "tests/cases/slot_case.h"

namespace tessera::bench {

// max |got − expected| ÷ max |expected|, of the operand where that is largest; where only one of them is finite, 1e9.
double disagreement(const cases::Outputs& got, const cases::Outputs& expected);

// What the case gives in float32 on `backend`, from the numbers that a run in `real` starts from.
cases::Outputs float32_outputs(const cases::SlotCase& slot_case, const kernels::Backend& backend, int threads,
                               kernels::DType real);

}  // namespace tessera::bench
