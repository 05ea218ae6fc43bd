// Of a product whose sum was split among blocks (gemm.h): adds the shares, in their order, and does what the epilogue does.
//
// Block of 256 threads: `groups` rows of threads, each of which has four neighbouring elements of c (one where rows are not
// whole fours) and adds up every groups-th part of the shares, first to last; the first row of threads adds the groups'
// sums. One group where shares are few; eight where they are many and c is small, so that there are blocks enough.
// Bytes: 4·splits per element, and c. Bound by memory: mostly the L2 cache, in which the shares were just written.
#pragma once

#include <cstdint>

#include "kernels/cuda/gemm_result.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/launch_config.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

inline constexpr int join_threads = 256;

template <class T, int groups>
__global__ void __launch_bounds__(join_threads)
    join_kernel(const float* shares, int splits, std::int64_t elements, GemmResult<T> result) {
  constexpr int lanes = join_threads / groups;
  DYNAMIC_SHARED(Pack<4>, partial);  // [threads], of several groups
  const int thread = static_cast<int>(threadIdx.x), group = thread / lanes, width = result.columns % 4 == 0 ? 4 : 1;
  const std::int64_t at = (static_cast<std::int64_t>(blockIdx.x) * lanes + thread % lanes) * width;
  const bool own = at < elements;
  const int each = ceil_div(splits, groups), first = group * each, end = first + each < splits ? first + each : splits;
  Pack<4> sum = {};
  for (int z = first; z < end && own; ++z) {
    const float* const from = shares + z * elements + at;
    if (width == 4) {
      const Pack<4> share = load<4>(from);
      for (int j = 0; j < 4; ++j) sum.v[j] += share.v[j];
    } else {
      sum.v[0] += *from;
    }
  }
  if constexpr (groups > 1) {
    partial[thread] = sum;
    __syncthreads();
    for (int g = 1; g < groups && group == 0; ++g)
      for (int j = 0; j < 4; ++j) sum.v[j] += partial[g * lanes + thread].v[j];
  }
  if (group == 0 && own)
    result.finish(at, width, result.columns_from(static_cast<int>(at % result.columns)), result.addend(at, width), sum);
}

template <class T, int groups>
void launch_join(const LaunchOn& on, const float* shares, int splits, const GemmResult<T>& result) {
  const int width = result.columns % 4 == 0 ? 4 : 1;
  launch(join_kernel<T, groups>, block_count(result.elements, join_threads / groups * width), join_threads,
         groups > 1 ? join_threads * sizeof(Pack<4>) : 0, on, shares, splits, result.elements, result);
}

// shares: [splits, elements].
template <class T>
void join(const LaunchOn& on, const float* shares, int splits, const GemmResult<T>& result) {
  splits >= 16 ? launch_join<T, 8>(on, shares, splits, result) : launch_join<T, 1>(on, shares, splits, result);
}

}  // namespace
}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
