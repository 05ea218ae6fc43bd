// What kernels that work element by element share: packs of neighbouring floats and a loop over all elements.
//
// A pack of four is one 16-byte load or store. It needs addresses that are multiples of 16 bytes: the engine's tensors have
// them, slices of a flat parameter buffer may not, so every loop exists for packs of one as well.
#pragma once

#include <cstdint>

#include "kernels/cuda/gpu.h"
#include "kernels/cuda/launch_config.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

inline constexpr int block_threads = 256;

// Blocks of a loop that strides over the grid: eight for each of the 132 multiprocessors of an H200, so that all its
// threads are in flight at once and what a block does first (reading scalars) is done a bounded number of times.
inline constexpr std::int64_t loop_blocks = 8 * 132;

template <int width>
struct alignas(4 * width) Pack {
  float v[width];
};

template <int width>
__device__ inline Pack<width> load(const float* from) {
  return *reinterpret_cast<const Pack<width>*>(from);
}

template <int width>
__device__ inline void store(float* to, const Pack<width>& x) {
  *reinterpret_cast<Pack<width>*>(to) = x;
}

// to (+)= x: how a gradient is written.
template <int width>
__device__ inline void store(float* to, Pack<width> x, bool accumulate) {
  if (accumulate) {
    const Pack<width> old = load<width>(to);
    for (int j = 0; j < width; ++j) x.v[j] += old.v[j];
  }
  store(to, x);
}

// May these be read and written in packs of four? (Null pointers may.)
template <class... Pointers>
bool aligned_for_packs(const Pointers*... pointers) {
  return ((reinterpret_cast<std::uintptr_t>(pointers) % 16 == 0) && ...);
}

namespace {

// Thread t of the grid takes packs t, t + threads, …: neighbours in a warp touch neighbouring addresses. What is left after
// the last whole pack goes to the first threads, one element each.
template <int width, class Body>
__global__ void __launch_bounds__(block_threads) each_element_kernel(Body body, std::int64_t count) {
  if constexpr (requires { body.prepare(); })
    if (!body.prepare()) return;
  const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  const std::int64_t threads = static_cast<std::int64_t>(gridDim.x) * block_threads, packs = count / width;
  for (std::int64_t i = thread; i < packs; i += threads) body.template operator()<width>(i * width);
  if (width > 1 && thread < count - packs * width) body.template operator()<1>(packs * width + thread);
}

// Calls body.operator()<width>(i) for the elements i … i + width − 1, width 4 where `packs` and 1 otherwise.
// A body may have `bool prepare()`, which each thread calls once, before its first element: to read scalars from device
// memory into the thread's copy of the body. All threads must answer alike; false: there is nothing to do.
template <int width, class Body>
void each_element(LaunchOn on, std::int64_t count, const Body& body) {
  launch(each_element_kernel<width, Body>, block_count(count, width * block_threads, loop_blocks), block_threads, 0, on,
         body, count);
}
template <class Body>
void each_element(LaunchOn on, std::int64_t count, bool packs, const Body& body) {
  packs ? each_element<4>(on, count, body) : each_element<1>(on, count, body);
}

}  // namespace

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
