// Division of a non-negative int by a number that is fixed before the launch: one wide multiplication and a shift.
//
// With l = ⌈log₂ d⌉ and m = ⌈2^(31+l) / d⌉:  ⌊n / d⌋ = ⌊n·m / 2^(31+l)⌋ for 0 ≤ n < 2³¹  (Granlund and Montgomery, 1994).
// A GPU has no integer division: it takes some twenty instructions where this takes three.
#pragma once

#include <cstdint>

#include "kernels/cuda/gpu.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

class FastDivide {
 public:
  // d ≤ 0, where there is nothing to divide, counts as 1.
  explicit FastDivide(int d) : divisor_(d < 1 ? 1 : d) {
    const auto divisor = static_cast<std::uint64_t>(divisor_);
    while ((std::uint64_t{1} << (shift_ - 31)) < divisor) ++shift_;
    multiplier_ = static_cast<unsigned>(((std::uint64_t{1} << shift_) + divisor - 1) / divisor);
  }

  __device__ int quotient(int n) const {
    return static_cast<int>((static_cast<std::uint64_t>(static_cast<unsigned>(n)) * multiplier_) >> shift_);
  }
  struct Parts {
    int quotient, remainder;
  };
  __device__ Parts operator()(int n) const {
    const int q = quotient(n);
    return {q, n - q * divisor_};
  }

 private:
  int divisor_, shift_ = 31;
  unsigned multiplier_;
};

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
