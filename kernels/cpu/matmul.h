// The matrix product as a part of other kernels, which bring the scratch memory (a slot call borrows once).
#pragma once

#include "kernels/backend.h"
#include "kernels/cpu/scratch.h"

namespace tessera::kernels::cpu {

// Floats of scratch memory that matmul_within takes for operands of these shapes and types.
std::int64_t matmul_floats(const Stream& stream, const MatmulParams& params, const ConstView& a, const ConstView& b,
                           const View& c);
// The slot matmul.
void matmul_within(const Stream& stream, Scratch scratch, const MatmulParams& params, const ConstView& a, const ConstView& b,
                   const ConstView& bias, const Gradient& c);

}  // namespace tessera::kernels::cpu
