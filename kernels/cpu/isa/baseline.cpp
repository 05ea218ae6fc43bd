// The kernels for every processor of this architecture: SSE2 on x86-64, NEON on 64-bit ARM, else whatever the compiler makes
// of four floats.
#define TESSERA_VECTOR_FLOATS 4
#include "kernels/cpu/isa/table.h"

namespace tessera::kernels::cpu::isa {

constinit const Kernels baseline = table_of("baseline");

}  // namespace tessera::kernels::cpu::isa
