// What this machine can do at most, measured: the yardstick behind "share of peak".
#pragma once

namespace tessera {

// Float32 operations per second of the CPU with this many threads: independent multiply-adds, counted as two, on its
// widest vectors. Takes about half a second.
double measure_peak_flops(int threads);

// Bytes per second of a triad (a = b + ½·c, counted as three arrays) whose arrays together take `working_set` bytes: a
// small one stays in cache, so a kernel is compared with what memory of its own size can do.
double measure_peak_bandwidth(int threads, double working_set);

}  // namespace tessera
