// The rungs of kernels/ladder.h, and the slot `matmul` above them, as kernels to be timed.
#pragma once

#include <vector>

#include "bench/recorded_step.h"

namespace tessera::bench {

// On square matrices; std::invalid_argument where the backend has no ladder, or the size is no multiple of 64.
std::vector<StepKernel> ladder_kernels(std::int64_t size, const kernels::Backend& backend);

}  // namespace tessera::bench
