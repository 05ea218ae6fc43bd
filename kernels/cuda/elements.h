// What kernels that work element by element share: a loop over all elements, in packs of neighbours.
//
// Kernels are templates over T, the type of activations: float or bf16, in packs of pack_width<T> (packs.h). Operands of
// kind P stay float in memory, whatever T: a pack of eight is two loads there.
//
// Packs need aligned addresses: the engine's tensors have them, slices of a flat parameter buffer may not, so every loop
// exists for packs of one as well.
#pragma once

#include <cstdint>

#include "kernels/cuda/gpu.h"
#include "kernels/cuda/launch_config.h"
#include "kernels/cuda/packs.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

inline constexpr int block_threads = 256;

// Blocks of a loop that strides over the grid: eight for each of the 132 multiprocessors of an H200, so that all its
// threads are in flight at once and what a block does first (reading scalars) is done a bounded number of times.
inline constexpr std::int64_t loop_blocks = 8 * 132;

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
