// Fair timing: warm up, repeat, take the median and say how wide the spread is.
#pragma once

#include <functional>

namespace tessera::bench {

struct Timing {
  double median = 0, fastest = 0, slowest = 0;  // seconds of one call
  int repeats = 0;
};

// Calls `work` (which must not return before it is done) in groups long enough to be timed, until `seconds` are spent or
// at least five groups are done.
Timing measure(const std::function<void()>& work, double seconds = 0.5);

double now();  // seconds of a steady clock

}  // namespace tessera::bench
