// Packs: neighbouring elements that are read and written at once. In memory an element is T, float or bf16, and a pack is at
// most 16 bytes, one load or store: pack_width<T> of them, four floats or eight bf16, or fewer. In registers it is always
// floats: load widens, store rounds, once.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/bf16.h"
#include "kernels/cuda/gpu.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

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
  if constexpr (sizeof(T) == sizeof(bf16) && width % 2 == 0) {  // one instruction rounds two
    std::uint32_t pairs[width / 2];
    for (int j = 0; j < width / 2; ++j) pairs[j] = to_bf16x2(x.v[2 * j], x.v[2 * j + 1]);
    memcpy(&stored, pairs, sizeof(stored));
  } else {
    for (int j = 0; j < width; ++j) stored.v[j] = rounded<T>(x.v[j]);
  }
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

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
