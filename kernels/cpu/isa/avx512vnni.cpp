// The eight-bit kernels for x86-64 with AVX-512 F, VL, BW, DQ and VNNI.
#define TESSERA_VECTOR_FLOATS 16
#include "kernels/cpu/isa/int8_rows.h"

namespace tessera::kernels::cpu::isa {

constinit const Int8Kernels avx512vnni = int8_table;

}  // namespace tessera::kernels::cpu::isa
