// What this machine can do at most, measured: the yardstick behind "share of peak".
#pragma once

namespace tessera::bench {

struct Peak {
  double flops = 0;      // float32 multiply-adds counted as two, per second
  double bandwidth = 0;  // bytes per second, triad on arrays far larger than the caches
};

// Of the CPU, with this many threads. Takes about a second.
Peak measure_cpu_peak(int threads);

}  // namespace tessera::bench
