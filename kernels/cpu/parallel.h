// Loops of the `cpu` backend shared out among threads (kernels/thread_pool.h).
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/stream.h"
#include "kernels/thread_pool.h"

namespace tessera::kernels::cpu {

// A loop is cut into at most so many chunks: several for each thread, so that one that is disturbed does fewer of them, and
// for 64 threads two. More threads than chunks do not take part.
inline constexpr std::int64_t most_chunks = 128;

// How much work the kernels cut out, where they can choose: enough for eight threads to share with some left over to even
// out. From the shape alone, as everything here.
inline constexpr std::int64_t items_wanted = 16;

// Calls fn(worker, first, last) on disjoint ranges that together are [begin, end): chunk i of C gets items i·count/C …
// (i+1)·count/C. worker < stream.options.threads tells threads apart, for scratch memory of their own.
//
// grain: the fewest items worth a chunk. Opening a region and taking a chunk cost up to a few microseconds, so choose it
// such that a chunk does at least some ten thousand operations; a loop smaller than two grains is one chunk, on the calling
// thread. The ranges depend on count and grain alone: the same bits for any number of threads.
template <class Function>
void parallel_workers_for(const Stream& stream, std::int64_t begin, std::int64_t end, std::int64_t grain, const Function& fn,
                          ThreadPool::Order order = ThreadPool::Order::forwards) {
  const std::int64_t count = end - begin;
  if (count <= 0) return;
  const std::int64_t chunks = std::clamp<std::int64_t>(count / std::max<std::int64_t>(grain, 1), 1, most_chunks);
  if (chunks == 1) return fn(0, begin, end);
  const auto body = [&](int worker, std::int64_t chunk) {
    fn(worker, begin + count * chunk / chunks, begin + count * (chunk + 1) / chunks);
  };
  stream.threads->run(stream.options.threads, chunks, body, order);
}

// The same for loops that need no scratch: fn(first, last).
template <class Function>
void parallel_for(const Stream& stream, std::int64_t begin, std::int64_t end, std::int64_t grain, const Function& fn) {
  parallel_workers_for(stream, begin, end, grain, [&](int, std::int64_t first, std::int64_t last) { fn(first, last); });
}

}  // namespace tessera::kernels::cpu
