// What the memory-bound kernels of this backend share: the cutting of flat arrays into blocks.
//
// A block is a fixed number of elements. Threads get whole blocks, so which elements meet in one partial sum, or fall into a
// loop's scalar tail, depends on the size alone: every result here is the same for any number of threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/backend.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/types.h"

namespace tessera::kernels::cpu {

// 16 KiB of float32: with two or three operands still within L1, and large beside the cost of a call.
inline constexpr std::int64_t block_elements = 4096;

// The fewest elements worth a chunk where a loop streams (a few microseconds from L2), and where it computes some ten
// operations or more on each.
inline constexpr std::int64_t grain_elements = 16384, heavy_grain_elements = block_elements;

inline std::int64_t block_count(std::int64_t elements) { return (elements + block_elements - 1) / block_elements; }

// fn(offset, count) on runs of whole blocks that together are [0, elements).
template <class Function>
void for_elements(const Stream& stream, std::int64_t elements, std::int64_t grain, const Function& fn) {
  parallel_for(stream, 0, block_count(elements), grain / block_elements, [&](std::int64_t first, std::int64_t last) {
    fn(first * block_elements, std::min(last * block_elements, elements) - first * block_elements);
  });
}

// fn(block, offset, count) on every block.
template <class Function>
void for_blocks(const Stream& stream, std::int64_t elements, const Function& fn) {
  parallel_for(stream, 0, block_count(elements), grain_elements / block_elements,
               [&](std::int64_t first, std::int64_t last) {
                 for (std::int64_t block = first; block < last; ++block) {
                   const std::int64_t offset = block * block_elements;
                   fn(block, offset, std::min(block_elements, elements - offset));
                 }
               });
}

// out (+)= value, for the scalar results of sums.
inline void write_scalar(const Gradient& out, double value) {
  float& y = *out.view.as<float>();
  y = static_cast<float>(out.accumulate ? static_cast<double>(y) + value : value);
}

}  // namespace tessera::kernels::cpu
