// What ran on the GPU and when: kernels, copies and fills one by one, those of a replayed recording too, through CUPTI's
// activity records (CUPTI documentation, "Activity API"). The library is opened at run time and never linked.
//
// Tracing slows what is traced: the time between kernels grows, their own durations hardly. Wall time is therefore to be
// taken from a run without it.
#pragma once

#include <vector>

#include "bench/busy_time.h"

namespace tessera::bench {

class KernelTrace {
 public:
  // From here to the program's end everything is traced. Before the device is first used: a recording made earlier would
  // be traced as a whole or not at all. One per program. Throws std::runtime_error: why it cannot be.
  KernelTrace();
  KernelTrace(const KernelTrace&) = delete;
  KernelTrace& operator=(const KernelTrace&) = delete;

  // What has run since the last call; the device must be idle. Throws std::runtime_error where a record was lost.
  std::vector<Interval> take();

  int multiprocessors() const;  // of the device in use
};

}  // namespace tessera::bench
