// The micro-kernels for x86-64 with AVX-512 F, VL, BW and DQ.
#define TESSERA_VECTOR_FLOATS 16
#include "kernels/cpu/isa/outer.h"
#include "kernels/cpu/isa/pack.h"
#include "kernels/cpu/isa/rows.h"
#include "kernels/cpu/isa/winograd.h"

namespace tessera::kernels::cpu::isa {

constinit const Kernels avx512{
    .name = "avx512",
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
