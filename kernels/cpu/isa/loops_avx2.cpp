// The inner loops, for AVX2 and FMA.
#if defined(__x86_64__)
#define TESSERA_VECTOR_FLOATS 8
#include "kernels/cpu/isa/simd_table.h"

namespace tessera::kernels::cpu::isa {

const SimdLoops loops_avx2 = simd_table;

}  // namespace tessera::kernels::cpu::isa
#endif
