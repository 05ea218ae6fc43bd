// Of builds without CUDA or without CUPTI's headers.
#include <stdexcept>

#include "bench/kernel_trace.h"

namespace tessera::bench {

KernelTrace::KernelTrace() { throw std::runtime_error("this build has no CUDA, or found no cupti_activity.h"); }
std::vector<Interval> KernelTrace::take() { return {}; }
int KernelTrace::multiprocessors() const { return 0; }

}  // namespace tessera::bench
