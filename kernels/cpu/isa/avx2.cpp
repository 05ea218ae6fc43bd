// The kernels for x86-64 with AVX2 and FMA.
#define TESSERA_VECTOR_FLOATS 8
#include "kernels/cpu/isa/table.h"

namespace tessera::kernels::cpu::isa {

constinit const Kernels avx2 = table_of("avx2");

}  // namespace tessera::kernels::cpu::isa
