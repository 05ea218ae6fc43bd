// CUDA's device language in C++: keywords, vector types, built-in variables and functions, as far as our kernels use them.
// Kernel files get it through kernels/cuda/gpu.h when no CUDA compiler is at work. Everything but the keyword macros stands
// in tessera::kernels::emulated, where the kernels stand too: nothing leaks into programs.
#pragma once

#include <math.h>

#include <atomic>
#include <bit>
#include <cstdint>
#include <type_traits>

#include "kernels/emulator/sanitizer.h"
#include "kernels/emulator/scheduler.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))
// Blocks run one after another, so a block's shared memory is a plain static. It lies in a section of its own, to be
// poisoned before every block (g++ 12 drops the section in templates, clang keeps it). Under AddressSanitizer it lies
// anywhere, so that each array gets its red zones.
#if defined(TESSERA_ASAN)
#define __shared__ static
#else
#define __shared__ static __attribute__((section("tessera_shared")))
#endif

namespace tessera::kernels::emulated {

// ---- vector types ----------------------------------------------------------------------------------------------------

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(4) uchar4 {
  unsigned char x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline double2 make_double2(double x, double y) { return {x, y}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline uchar4 make_uchar4(unsigned char x, unsigned char y, unsigned char z, unsigned char w) { return {x, y, z, w}; }

// ---- barriers and warps: each notes the line it was called from ---------------------------------------------------------

inline void __syncthreads(Location at = Location::here()) { block_barrier(at); }

inline void __syncwarp(unsigned mask = ~0u, Location at = Location::here()) {
  char nothing = 0;
  warp_collective(mask, nothing, "__syncwarp", at, [](char**, unsigned) {});
}

namespace detail {

template <class T>
struct ShuffleSlot {
  T value, result;
  int source;
};

template <class T>
T shuffle(unsigned mask, T value, int source, const char* what, Location at) {
  ShuffleSlot<T> slot{value, value, source};
  warp_collective(mask, slot, what, at, [](ShuffleSlot<T>** slots, unsigned lanes) {
    for (int lane = 0; lane < 32; ++lane) {
      if (!(lanes >> lane & 1u)) continue;
      if (!(lanes >> slots[lane]->source & 1u)) fault("a shuffle reads from a lane outside its mask");
      slots[lane]->result = slots[slots[lane]->source]->value;
    }
  });
  return slot.result;
}

}  // namespace detail

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, Location at = Location::here()) {
  const int lane = current_lane();
  return detail::shuffle(mask, value, (lane & ~(width - 1)) | (source & (width - 1)), "__shfl_sync", at);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, Location at = Location::here()) {
  const int lane = current_lane(), step = static_cast<int>(delta);
  return detail::shuffle(mask, value, (lane & (width - 1)) + step < width ? lane + step : lane, "__shfl_down_sync", at);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, Location at = Location::here()) {
  const int lane = current_lane(), step = static_cast<int>(delta);
  return detail::shuffle(mask, value, (lane & (width - 1)) >= step ? lane - step : lane, "__shfl_up_sync", at);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32, Location at = Location::here()) {
  const int lane = current_lane(), partner = lane ^ lane_mask;
  return detail::shuffle(mask, value, partner / width <= lane / width ? partner : lane, "__shfl_xor_sync", at);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, Location at = Location::here()) {
  struct Vote {
    int predicate;
    unsigned result;
  } vote{predicate, 0};
  warp_collective(mask, vote, "__ballot_sync", at, [](Vote** votes, unsigned lanes) {
    unsigned result = 0;
    for (int lane = 0; lane < 32; ++lane)
      if (lanes >> lane & 1u && votes[lane]->predicate) result |= 1u << lane;
    for (int lane = 0; lane < 32; ++lane)
      if (lanes >> lane & 1u) votes[lane]->result = result;
  });
  return vote.result;
}
inline int __any_sync(unsigned mask, int predicate, Location at = Location::here()) {
  return __ballot_sync(mask, predicate, at) != 0;
}
inline int __all_sync(unsigned mask, int predicate, Location at = Location::here()) {
  return __ballot_sync(mask, !predicate, at) == 0;
}
// Any thread of the block: a barrier that also votes.
inline int __syncthreads_or(int predicate, Location at = Location::here()) { return block_vote(predicate != 0, at); }

// ---- atomics ---------------------------------------------------------------------------------------------------------

// Really atomic, though threads run in turn: so a race checker can tell them from plain accesses.
template <class T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  note_atomic(address, sizeof(T));
  return std::atomic_ref(*address).fetch_add(value, std::memory_order_relaxed);
}
template <class T>
T atomicMax(T* address, std::type_identity_t<T> value) {
  note_atomic(address, sizeof(T));
  const std::atomic_ref target(*address);
  T old = target.load(std::memory_order_relaxed);
  while (old < value && !target.compare_exchange_weak(old, value, std::memory_order_relaxed)) {}
  return old;
}
template <class T>
T atomicOr(T* address, std::type_identity_t<T> value) {
  note_atomic(address, sizeof(T));
  return std::atomic_ref(*address).fetch_or(value, std::memory_order_relaxed);
}
template <class T>
T atomicCAS(T* address, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  note_atomic(address, sizeof(T));
  std::atomic_ref(*address).compare_exchange_strong(expected, value, std::memory_order_relaxed);
  return expected;
}
inline void __threadfence() { std::atomic_signal_fence(std::memory_order_seq_cst); }

// ---- arithmetic --------------------------------------------------------------------------------------------------------

template <class T>
T __ldg(const T* address) {
  return *address;
}
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline int __popc(unsigned x) { return std::popcount(x); }
template <class T>
constexpr T min(T a, T b) {
  return b < a ? b : a;
}
template <class T>
constexpr T max(T a, T b) {
  return a < b ? b : a;
}

}  // namespace tessera::kernels::emulated
