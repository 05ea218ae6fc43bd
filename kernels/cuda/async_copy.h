// Asynchronous copies from device memory to shared memory (cp.async, sm_80 and later; PTX ISA, "Data Movement and Conversion
// Instructions: Asynchronous copy"). The data goes past the registers, and the thread goes on while it is under way:
//
//   cp_async16(&tile[stage][i], source + i, inside);   several of them
//   cp_async_commit();                                 … become one group, of this thread
//   …                                                  work on earlier stages
//   cp_async_wait<1>();                                all but the newest group of *this thread* have landed
//   __syncthreads();                                   … and of all other threads
//
// A copy may land at any time between its issue and the wait: neither what was there nor what comes may be used in between.
// The emulator runs both extremes (emulator.h, Copies).
#pragma once

#include "kernels/cuda/gpu.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

// 16 bytes; both addresses aligned to 16. Where !valid, zeros are written and the source is not read (it must still be an
// aligned address). Past the L1 cache: for data that this SM reads once.
__device__ __forceinline__ void cp_async16(void* shared, const void* global, bool valid,
                                           [[maybe_unused]] Location at = Location::here()) {
#if defined(__CUDACC__)
  asm volatile(
      "cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(static_cast<unsigned>(__cvta_generic_to_shared(shared))),
      "l"(__cvta_generic_to_global(global)), "r"(valid ? 16 : 0)
      : "memory");
#else
  start_copy(shared, global, 16, valid, at);
#endif
}

// The same through the L1 cache: for what this SM reads again soon, in another place of its tiles.
__device__ __forceinline__ void cp_async16_cached(void* shared, const void* global, bool valid,
                                                  [[maybe_unused]] Location at = Location::here()) {
#if defined(__CUDACC__)
  asm volatile(
      "cp.async.ca.shared.global [%0], [%1], 16, %2;" ::"r"(static_cast<unsigned>(__cvta_generic_to_shared(shared))),
      "l"(__cvta_generic_to_global(global)), "r"(valid ? 16 : 0)
      : "memory");
#else
  start_copy(shared, global, 16, valid, at);
#endif
}

// 4 bytes; both addresses aligned to 4. Through the L1 cache: neighbouring threads share its lines.
__device__ __forceinline__ void cp_async4(void* shared, const void* global, bool valid,
                                          [[maybe_unused]] Location at = Location::here()) {
#if defined(__CUDACC__)
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(static_cast<unsigned>(__cvta_generic_to_shared(shared))),
               "l"(__cvta_generic_to_global(global)), "r"(valid ? 4 : 0)
               : "memory");
#else
  start_copy(shared, global, 4, valid, at);
#endif
}

// This thread's copies since its last commit become a group; it may be empty.
__device__ __forceinline__ void cp_async_commit() {
#if defined(__CUDACC__)
  asm volatile("cp.async.commit_group;" ::: "memory");
#else
  commit_copies();
#endif
}

// Waits until at most the `pending` newest groups of this thread are still under way.
template <int pending>
__device__ __forceinline__ void cp_async_wait() {
  static_assert(pending >= 0);
#if defined(__CUDACC__)
  asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
#else
  wait_for_copies(pending);
#endif
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
