// The micro-kernels for x86-64 with AVX-512 F, VL, BW and DQ.
#define TESSERA_VECTOR_FLOATS 16
#include "kernels/cpu/isa/outer.h"
#include "kernels/cpu/isa/typed.h"

namespace tessera::kernels::cpu::isa {

constinit const Kernels avx512{
    .name = "avx512",
    .vector_width = vector_width,
    .panel_width = 2 * vector_width,
    .for_float = typed<float>,
    .for_bf16 = typed<bf16>,
    .outer = outer,
};

}  // namespace tessera::kernels::cpu::isa
