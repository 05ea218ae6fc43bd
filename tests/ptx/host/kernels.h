// Kernels that do what tests of the runtime need, and what kernels of ours must not.
#pragma once

#include "kernels/stream.h"

namespace tessera::kernels::cuda {

void add_one(Stream& stream, float* x, int n);   // x[i] += 1; one thread more than it may have: a fault
void add_one_refused(Stream& stream, float* x);  // in blocks larger than the kernel's bound
void reverse_in_shared(Stream& stream, float* x,
                       std::size_t dynamic_bytes);  // 4 KB of static shared memory besides; x [128]

}  // namespace tessera::kernels::cuda
