// The kernels of one training step of a network, as slot cases: every distinct call once, with how often the step makes it.
// What a whole step costs can so be laid beside what its kernels cost one by one.
//
// The step is run on a table of slots that compute nothing and note what they are called with; so the list is what the
// engine does, for every network of the catalogue.
#pragma once

#include <vector>

#include "models/catalogue.h"
#include "tests/cases/slot_case.h"

namespace tessera::bench {

struct StepKernel {
  cases::SlotCase slot_case;
  int calls = 0;            // in one step; 0: an alternative to a kernel that the step calls, for comparison
  bool ours_alone = false;  // takes operands that no library's kernel takes: others would hand it on to ours
};

// As the step is on a device of `backend`, which decides what is fused. Where a convolution hands its sums to batch norm,
// the two as they are without that stand beside them, for libraries.
std::vector<StepKernel> kernels_of_step(const NetworkEntry& network, std::int64_t batch, Precision precision,
                                        const kernels::Backend& backend);

}  // namespace tessera::bench
