// Sums over a warp and over a block, in a fixed order: the same values give the same bits.
#pragma once

#include "kernels/cuda/gpu.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

inline constexpr int warp_size = 32;
inline constexpr unsigned full_warp = 0xffffffffu;
inline constexpr int max_warps = 32;  // of a block: what block_sum's scratch must hold

// Sum over the 32 lanes of a full warp, the same bits in each: at every step both partners add the same two numbers.
template <class T>
__device__ T warp_sum(T value) {
  for (int distance = warp_size / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(full_warp, value, distance);
  return value;
}

template <class T>
__device__ T warp_max(T value) {
  for (int distance = warp_size / 2; distance > 0; distance /= 2) {
    const T other = __shfl_xor_sync(full_warp, value, distance);
    value = other > value ? other : value;
  }
  return value;
}

// Sum over all threads of a one-dimensional block of full warps, the same bits in each.
// Every thread must call it. scratch: max_warps elements of shared memory, free again for the next call.
template <class T>
__device__ T block_sum(T value, T* scratch) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size, warp = static_cast<int>(threadIdx.x) / warp_size;
  const int warps = static_cast<int>(blockDim.x) / warp_size;
  value = warp_sum(value);
  __syncthreads();  // an earlier call's readers of scratch are done
  if (lane == 0) scratch[warp] = value;
  __syncthreads();
  return warp_sum(lane < warps ? scratch[lane] : T(0));
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
