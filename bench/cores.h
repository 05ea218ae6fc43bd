// What a step would take on so many cores, simulated from its chunks: where threads wait for one another.
//
// The step runs on one thread, and the pool tells of each parallel region how long its chunks took (ThreadPool::observe);
// between regions is what only one thread does. With those times the pool's own rule is played through for N threads: each
// has a share of the chunks, and helps with the others' when it is done. Of several steps each number is the least.
//
//   T(N) = Σ serial stretches + Σ over regions of the time until the last chunk is done
//
// Left out: what opening a region costs (a few microseconds), and that cores share memory and caches.
#pragma once

#include <string>
#include <vector>

#include "bench/workload.h"

namespace tessera::bench {

struct CoresRow {
  std::string slot;  // "other": outside all kernels
  double one = 0;    // seconds of a step on one thread
  double many = 0;   // on N
  double serial = 0;
};

struct CoresReport {
  std::vector<CoresRow> rows;  // the longest on N threads first
  double one = 0, many = 0;    // seconds of a step
  double serial = 0;           // of it, what one thread does alone
  double longest_serial = 0;   // the longest stretch of that, from one region's end to the next one's beginning
  std::string longest_in;      // the slot in which most of it was spent
};

// Of steps on a device of one thread, opened as `device` says (a CPU).
CoresReport simulate_cores(const NetworkEntry& entry, const WorkloadOptions& options, DeviceRequest device, int threads);

// When the last of `seconds` is done on so many threads that share them as kernels/thread_pool.h says.
double seconds_on(const std::vector<double>& seconds, int threads);

}  // namespace tessera::bench
