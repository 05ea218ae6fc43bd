// What kernels that work element by element share: packs of neighbouring elements and a loop over all of them.
//
// Kernels are templates over T, the type of activations: float or bf16. In memory a pack of pack_width<T> neighbours is 16
// bytes, one load or store: four floats or eight bf16. In registers it is always floats: load widens, store rounds, once.
// Operands of kind P stay float in memory, whatever T: a pack of eight is two loads there.
//
// Packs need aligned addresses: the engine's tensors have them, slices of a flat parameter buffer may not, so every loop
// exists for packs of one as well.
#pragma once

#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/launch_config.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

inline constexpr int block_threads = 256;

// Blocks of a loop that strides over the grid: eight for each of the 132 multiprocessors of an H200, so that all its
// threads are in flight at once and what a block does first (reading scalars) is done a bounded number of times.
inline constexpr std::int64_t loop_blocks = 8 * 132;

// Elements of T in 16 bytes.
template <class T>
inline constexpr int pack_width = 16 / static_cast<int>(sizeof(T));

__device__ inline float widened(float x) { return x; }
__device__ inline float widened(bf16 x) { return to_float(x); }

template <class T>
__device__ inline T rounded(float x) {
  if constexpr (sizeof(T) == sizeof(float))
    return x;
  else
    return to_bf16(x);
}

// A pack in registers, and in memory.
template <int width>
struct Pack {
  float v[width];
};
template <class T, int width>
struct alignas(width < pack_width<T> ? width * sizeof(T) : 16) StoredPack {
  T v[width];
};

template <int width, class T>
__device__ inline Pack<width> load(const T* from) {
  const StoredPack<T, width> stored = *reinterpret_cast<const StoredPack<T, width>*>(from);
  Pack<width> x;
  for (int j = 0; j < width; ++j) x.v[j] = widened(stored.v[j]);
  return x;
}

template <int width, class T>
__device__ inline void store(T* to, const Pack<width>& x) {
  StoredPack<T, width> stored;
  for (int j = 0; j < width; ++j) stored.v[j] = rounded<T>(x.v[j]);
  *reinterpret_cast<StoredPack<T, width>*>(to) = stored;
}

// to (+)= x: how a gradient is written.
template <int width, class T>
__device__ inline void store(T* to, Pack<width> x, bool accumulate) {
  if (accumulate) {
    const Pack<width> old = load<width>(static_cast<const T*>(to));
    for (int j = 0; j < width; ++j) x.v[j] += old.v[j];
  }
  store(to, x);
}

// May these be read and written in packs of `width`? (Null pointers may.)
template <int width, class... T>
bool aligned_for_packs(const T*... pointers) {
  return ((reinterpret_cast<std::uintptr_t>(pointers) % alignof(StoredPack<T, width>) == 0) && ...);
}

// Calls body(on, T()) with T the type of the activations: float or bf16. Throws MissingKernel, named after the calling
// launcher, for any other.
template <class Body>
void with_activation_type(const LaunchOn& on, DType type, Body&& body) {
  switch (type) {
    case DType::f32: return body(on, float{});
    case DType::bf16: return body(on, bf16{});
    default: throw MissingKernel(on.op, backend_name(on.stream), name_of(type));
  }
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
  if constexpr (width > 1) {
    for (std::int64_t i = thread; i < packs; i += threads) body.template operator()<width>(i * width);
    if (thread < count - packs * width) body.template operator()<1>(packs * width + thread);
  } else {
#pragma unroll 1  // unrolled, a body that calls (a division) spilled
    for (std::int64_t i = thread; i < packs; i += threads) body.template operator()<1>(i);
  }
}

// Calls body.operator()<w>(i) for the elements i … i + w − 1: with w = width where `packs`, and otherwise with w = 1.
// A body may have `bool prepare()`, which each thread calls once, before its first element: to read scalars from device
// memory into the thread's copy of the body. All threads must answer alike; false: there is nothing to do.
template <int width, class Body>
void each_element(const LaunchOn& on, std::int64_t count, bool packs, const Body& body) {
  if constexpr (width > 1)
    if (!packs) return each_element<1>(on, count, true, body);
  launch(each_element_kernel<width, Body>, block_count(count, width * block_threads, loop_blocks), block_threads, 0, on,
         body, count);
}

}  // namespace

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
