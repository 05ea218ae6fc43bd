// The inner loops, for AVX-512 (F, BW, DQ, VL).
#if defined(__x86_64__)
#define TESSERA_VECTOR_FLOATS 16
#include "kernels/cpu/isa/simd_table.h"

namespace tessera::kernels::cpu::isa {

const SimdLoops loops_avx512 = simd_table;

}  // namespace tessera::kernels::cpu::isa
#endif
