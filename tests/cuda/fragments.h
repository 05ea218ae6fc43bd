// Kernels that do nothing but call one wrapper each (kernels/cuda/tensor_core.h, async_copy.h, kernels/bf16.h), for a GPU
// and for the emulator.
#pragma once

#include <cstdint>

#include "kernels/stream.h"

namespace tessera::kernels {

// Everything in device memory. Fragments lie [matrix][lane][register].
struct Wrappers {
  void (*mma_bf16)(Stream&, const unsigned* a, const unsigned* b, float* d, int matrices);
  void (*mma_tf32)(Stream&, const unsigned* a, const unsigned* b, float* d, int matrices);
  // rows: 32 rows of 8 elements; both results [lane][4].
  void (*ldmatrix)(Stream&, const std::uint16_t* rows, unsigned* plain, unsigned* transposed);
  void (*to_tf32)(Stream&, const float* x, unsigned* y, int n);
  void (*to_bf16)(Stream&, const float* x, unsigned* y, int n);  // y: the bits, in the lower half
  // y[0 … 127]: x[0 … 127] by copies of 16 bytes, y[128 … 159]: x[0 … 31] by copies of 4, y[160 … 287]: as the first, through
  // the L1 cache; every third copy writes zeros.
  void (*copies)(Stream&, const float* x, float* y);
};

namespace emulated {
extern const Wrappers wrappers;
}
namespace cuda {
extern const Wrappers wrappers;  // in builds with CUDA
}

}  // namespace tessera::kernels
