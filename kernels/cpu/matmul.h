// The matrix product as a part of other kernels, which bring the scratch memory (a slot call borrows once).
#pragma once

#include "kernels/backend.h"
#include "kernels/cpu/scratch.h"

namespace tessera::kernels::cpu {

// Floats of scratch memory that matmul_within takes for operands of these shapes and types.
std::int64_t matmul_floats(const Stream& stream, const MatmulParams& params, const ConstView& a, const ConstView& b,
                           const View& c);
// The slot matmul. `packed`: b as matmul_pack leaves it; not with a transposed.
void matmul_within(const Stream& stream, Scratch scratch, const MatmulParams& params, const ConstView& a, const ConstView& b,
                   const ConstView& bias, const Gradient& c, const float* packed = nullptr);

// b in panels, matmul_packed_floats of them.
std::int64_t matmul_packed_floats(const Stream& stream, const MatmulParams& params, const ConstView& b);
void matmul_pack(const Stream& stream, const MatmulParams& params, const ConstView& b, float* packed);

}  // namespace tessera::kernels::cpu
