// The micro-kernels for every processor of this architecture: SSE2 on x86-64, NEON on 64-bit ARM, else whatever the compiler
// makes of four floats.
#define TESSERA_VECTOR_FLOATS 4
#include "kernels/cpu/isa/outer.h"
#include "kernels/cpu/isa/typed.h"

namespace tessera::kernels::cpu::isa {

constinit const Kernels baseline{
    .name = "baseline",
    .vector_width = vector_width,
    .panel_width = 2 * vector_width,
    .for_float = typed<float>,
    .for_bf16 = typed<bf16>,
    .outer = outer,
};

}  // namespace tessera::kernels::cpu::isa
