// Division of a non-negative int by a number that is fixed before the launch.
//
// With l = ⌈log₂ d⌉ and m = ⌈2^(31+l) / d⌉:  ⌊n / d⌋ = ⌊n·m / 2^(31+l)⌋ for 0 ≤ n < 2³¹  (Granlund and Montgomery, 1994).
// The upper word of 2n·m is ⌊n·m / 2³¹⌋, of which the lower l bits are shifted out: doubling, upper half of a product, shift.
// A GPU has no integer division: it takes some twenty instructions.
#pragma once

#include <cstdint>

#include "kernels/cuda/gpu.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

class FastDivide {
 public:
  // d ≤ 0, where there is nothing to divide, counts as 1.
  explicit FastDivide(int d) : divisor_(d < 1 ? 1 : d) {
    const auto divisor = static_cast<std::uint64_t>(divisor_);
    while ((std::uint64_t{1} << shift_) < divisor) ++shift_;
    multiplier_ = static_cast<unsigned>(((std::uint64_t{1} << (31 + shift_)) + divisor - 1) / divisor);
  }

  __host__ __device__ int quotient(int n) const {
    const auto upper = static_cast<unsigned>((static_cast<std::uint64_t>(2 * static_cast<unsigned>(n)) * multiplier_) >> 32);
    return static_cast<int>(upper >> shift_);
  }
  __host__ __device__ int divisor() const { return divisor_; }
  struct Parts {
    int quotient, remainder;
  };
  __host__ __device__ Parts operator()(int n) const {
    const int q = quotient(n);
    return {q, n - q * divisor_};
  }

 private:
  int divisor_, shift_ = 0;
  unsigned multiplier_;
};

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
