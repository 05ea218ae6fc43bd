// For the loops of this folder: what each of them needs. Like vec.h, included only by the files of one instruction set, and
// internal to them.
#pragma once

#include <cstdint>

#include "kernels/cpu/isa/simd_loops.h"
#include "kernels/cpu/isa/vec.h"

// Before a loop whose iterations are independent although its arrays may be the same array: spares the compiler the overlap
// checks, which would send y = a + b with y = a down the scalar path.
#if defined(__clang__)
#define TESSERA_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define TESSERA_INDEPENDENT _Pragma("GCC ivdep")
#endif

namespace tessera::kernels::cpu::isa {
namespace {

using Index = std::int64_t;

TESSERA_INLINE Index smaller(Index a, Index b) { return a < b ? a : b; }  // std::min could be shared by the linker

}  // namespace
}  // namespace tessera::kernels::cpu::isa
