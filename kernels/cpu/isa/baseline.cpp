// The micro-kernels for every processor of this architecture: SSE2 on x86-64, NEON on 64-bit ARM, else whatever the compiler
// makes of four floats.
#define TESSERA_VECTOR_FLOATS 4
#include "kernels/cpu/isa/outer.h"
#include "kernels/cpu/isa/pack.h"
#include "kernels/cpu/isa/rows.h"
#include "kernels/cpu/isa/winograd.h"

namespace tessera::kernels::cpu::isa {

constinit const Kernels baseline{
    .name = "baseline",
    .vector_width = vector_width,
    .panel_width = 2 * vector_width,
    .rows = rows,
    .outer = outer,
    .pack = pack,
    .pack_transposed = pack_transposed,
    .winograd2 = winograd_of<F2>,
    .winograd4 = winograd_of<F4>,
};

}  // namespace tessera::kernels::cpu::isa
