// The inner loops, for what every processor of the target has.
#define TESSERA_VECTOR_FLOATS 4
#include "kernels/cpu/isa/simd_table.h"

namespace tessera::kernels::cpu::isa {

const SimdLoops loops_baseline = simd_table;

}  // namespace tessera::kernels::cpu::isa
