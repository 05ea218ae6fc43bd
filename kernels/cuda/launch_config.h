// What launchers share: grid sizes and the refusal of element types that have no kernel.
#pragma once

#include <cstdint>

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

template <class T>
__host__ __device__ constexpr T ceil_div(T a, T b) {
  return (a + b - 1) / b;
}

// Blocks of `per_block` items that cover `count` items, at most `limit` (kernels whose loop strides over the grid).
// Throws DeviceError where the count is beyond what a grid can have.
inline unsigned block_count(std::int64_t count, std::int64_t per_block, std::int64_t limit = 0x7fffffff) {
  const std::int64_t blocks = ceil_div(count, per_block);
  if (limit == 0x7fffffff && blocks > limit)
    throw DeviceError("a launch needs " + std::to_string(blocks) +
                      " blocks, a grid has at most 2147483647; use smaller tensors");
  return static_cast<unsigned>(blocks < limit ? blocks : limit);
}

// Throws MissingKernel, named after the calling launcher, where the operand is not float32.
inline void require_float32(const Stream& stream, const ConstView& operand, const char* op = __builtin_FUNCTION()) {
  if (operand.dtype != DType::f32) throw MissingKernel(op, backend_name(stream), name_of(operand.dtype));
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
