// How much of the time a device was at work, from the times of what ran on it.
#pragma once

#include <cstdint>
#include <vector>

namespace tessera::bench {

// One kernel, copy or fill, in nanoseconds of the device's clock.
struct Interval {
  std::uint64_t begin = 0, end = 0;
  std::int64_t blocks = 0;  // of the kernel's grid; 0 for what is no kernel
};

struct BusyTime {
  double seconds = 0;  // in which anything ran: the length of the intervals' union, overlaps counted once
  double filled = 0;   // mean over the kernels, by duration, of min(1, blocks ÷ multiprocessors); 0 where there is none
};

// A kernel of fewer blocks than the device has multiprocessors leaves some of them without work, however busy the device
// is: `filled` says how much. It is an upper bound of what is in use, since it asks for one block a multiprocessor only.
BusyTime busy_time(std::vector<Interval> intervals, int multiprocessors);

}  // namespace tessera::bench
