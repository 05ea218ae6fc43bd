// The kernels for x86-64 with AVX-512 F, VL, BW and DQ.
#define TESSERA_VECTOR_FLOATS 16
#include "kernels/cpu/isa/table.h"

namespace tessera::kernels::cpu::isa {

constinit const Kernels avx512 = table_of("avx512");

}  // namespace tessera::kernels::cpu::isa
