// bf16: bfloat16, the upper half of a float32: its 8 exponent bits with 7 bits of mantissa.
//
// A storage type only: kernels read it into float32, compute there, and round once when they store. The relative error of
// one rounding is at most 2⁻⁸ ≈ 0.0039.
#pragma once

#include <bit>
#include <cstdint>

#include "kernels/host_device.h"

namespace tessera::kernels {

struct bf16 {
  std::uint16_t bits;
};

TESSERA_HOST_DEVICE inline float to_float(bf16 x) {
#if defined(__CUDA_ARCH__)
  return __uint_as_float(static_cast<unsigned>(x.bits) << 16);
#else
  return std::bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16);
#endif
}

// To nearest, ties to even; beyond the largest bf16 to infinity; a NaN stays one. (volatile: the compiler else moves these
// instructions together, which costs registers that the largest kernels do not have.)
TESSERA_HOST_DEVICE inline bf16 to_bf16(float x) {
#if defined(__CUDA_ARCH__)
  bf16 y;
  asm volatile("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
#else
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<std::uint16_t>(bits >> 16 | 0x0040u)};
  return {static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16)};
#endif
}

// Two of them in one word, the first in its lower half, as they lie in memory.
TESSERA_HOST_DEVICE inline std::uint32_t to_bf16x2(float low, float high) {
#if defined(__CUDA_ARCH__)
  std::uint32_t y;
  asm volatile("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
  return y;
#else
  return to_bf16(low).bits | static_cast<std::uint32_t>(to_bf16(high).bits) << 16;
#endif
}

}  // namespace tessera::kernels
