// The kernels of one training step of ResNet-18 for 32x32 images, as slot cases: every distinct shape once, with how often
// the step calls it. What a whole step costs can so be laid beside what its kernels cost one by one.
#pragma once

#include <vector>

#include "tests/cases/slot_case.h"

namespace tessera::bench {

struct StepKernel {
  cases::SlotCase slot_case;
  int calls;                // in one step; 0: an alternative to a kernel that the step calls, for comparison
  bool ours_alone = false;  // takes operands that no library's kernel takes: others would hand it on to ours
};

// Channels of the four stages: width, 2·width, 4·width, 8·width (64 in ResNet-18; less for a trial on a slow device). With
// `bf16` the optimiser also writes the weights' bf16 copy.
std::vector<StepKernel> resnet18_cases(std::int64_t batch, std::int64_t width, bool bf16);

}  // namespace tessera::bench
