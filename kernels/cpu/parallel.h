// Threads of the `cpu` backend: a loop shared out statically, with or without OpenMP.
#pragma once

#include <algorithm>
#include <cstdint>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include "kernels/stream.h"

namespace tessera::kernels::cpu {

// How many parts parallel_for makes of `count` items, at least `grain` of them in each.
inline int parallel_parts(const Stream& stream, std::int64_t count, std::int64_t grain) {
#if defined(_OPENMP)
  const std::int64_t parts = std::min<std::int64_t>(stream.options.threads, count / std::max<std::int64_t>(grain, 1));
  return static_cast<int>(std::max<std::int64_t>(parts, 1));
#else
  (void)stream, (void)count, (void)grain;
  return 1;
#endif
}

// Calls fn(first, last) on disjoint ranges that together are [begin, end): part t of T gets items t·count/T … (t+1)·count/T.
//
// grain: the fewest items worth a thread. Opening a parallel region costs a few microseconds, so choose it such that a
// part does at least some ten thousand operations; a loop smaller than two grains runs on the calling thread.
// Which items share a part depends on the number of threads: a sum that must not depend on it has to be split into
// blocks of its own, with one item per block here. fn must not throw.
template <class Function>
void parallel_for(const Stream& stream, std::int64_t begin, std::int64_t end, std::int64_t grain, const Function& fn) {
  const std::int64_t count = end - begin;
  if (count <= 0) return;
  const int parts = parallel_parts(stream, count, grain);
  if (parts == 1) return fn(begin, end);
#if defined(_OPENMP)
#pragma omp parallel num_threads(parts)
  {
    // The runtime may give fewer threads than asked for; every item is still done, in the same parts.
    for (int part = omp_get_thread_num(); part < parts; part += omp_get_num_threads()) {
      const std::int64_t first = begin + count * part / parts, last = begin + count * (part + 1) / parts;
      if (first < last) fn(first, last);
    }
  }
#endif
}

// The same with the part's number, for scratch memory of its own: fn(part, first, last), part < parallel_parts(…).
template <class Function>
void parallel_parts_for(const Stream& stream, std::int64_t begin, std::int64_t end, std::int64_t grain, const Function& fn) {
  const std::int64_t count = end - begin;
  if (count <= 0) return;
  const int parts = parallel_parts(stream, count, grain);
  if (parts == 1) return fn(0, begin, end);
#if defined(_OPENMP)
#pragma omp parallel num_threads(parts)
  {
    for (int part = omp_get_thread_num(); part < parts; part += omp_get_num_threads()) {
      const std::int64_t first = begin + count * part / parts, last = begin + count * (part + 1) / parts;
      if (first < last) fn(part, first, last);
    }
  }
#endif
}

}  // namespace tessera::kernels::cpu
