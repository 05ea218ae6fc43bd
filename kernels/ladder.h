// A ladder: one matrix product written four times, each rung with one idea more, to be read from the first to the last and timed
// beside each other (bench_ops --ladder). The last step up is the slot `matmul` (kernels/cuda/gemm.h). No network uses these.
//
//   c = a·b;  a: [m,k], b: [k,n], c: [m,n], row-major, float32
//
// The tensor cores' rung rounds a and b to TF32. Sizes: m and n multiples of 64, k of 16; std::invalid_argument otherwise.
#pragma once

#include <array>

#include "kernels/backend.h"

namespace tessera::kernels {

inline constexpr std::array ladder_rungs{"naive", "tiled", "pipelined", "tensor cores"};

using Ladder = void (*)(Stream&, int rung, ConstView a, ConstView b, View c);
// The ladder of `cuda` or `emulated`, null for another backend.
Ladder ladder_of(const Backend& backend);

}  // namespace tessera::kernels
