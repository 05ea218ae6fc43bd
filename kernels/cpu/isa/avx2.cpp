// The micro-kernels for x86-64 with AVX2 and FMA.
#define TESSERA_VECTOR_FLOATS 8
#include "kernels/cpu/isa/outer.h"
#include "kernels/cpu/isa/typed.h"

namespace tessera::kernels::cpu::isa {

constinit const Kernels avx2{
    .name = "avx2",
    .vector_width = vector_width,
    .panel_width = 2 * vector_width,
    .for_float = typed<float>,
    .for_bf16 = typed<bf16>,
    .outer = outer,
};

}  // namespace tessera::kernels::cpu::isa
