#include "bench/busy_time.h"

#include <algorithm>

namespace tessera::bench {

BusyTime busy_time(std::vector<Interval> intervals, int multiprocessors) {
  std::ranges::sort(intervals, {}, &Interval::begin);
  std::uint64_t busy = 0, until = 0;
  double durations = 0, filled = 0;
  for (const Interval& i : intervals) {
    if (i.end <= i.begin) continue;
    if (i.end > until) busy += i.end - std::max(i.begin, until);
    until = std::max(until, i.end);
    if (i.blocks <= 0) continue;
    const auto duration = static_cast<double>(i.end - i.begin);
    durations += duration;
    filled += duration * std::min(1.0, static_cast<double>(i.blocks) / std::max(1, multiprocessors));
  }
  return {.seconds = static_cast<double>(busy) * 1e-9, .filled = durations > 0 ? filled / durations : 0};
}

}  // namespace tessera::bench
