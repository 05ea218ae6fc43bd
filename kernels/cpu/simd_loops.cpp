// Which inner loops to use: those of the instruction set that the micro-kernels were chosen for, so that one environment
// variable (see isa/kernels.h) rules both.
#include "kernels/cpu/isa/simd_loops.h"

#include <string_view>

#include "kernels/cpu/isa/kernels.h"

namespace tessera::kernels::cpu {
namespace {

const SimdLoops& loops_for([[maybe_unused]] std::string_view name) {
#if defined(__x86_64__)
  if (name == isa::avx512.name) return isa::loops_avx512;
  if (name == isa::avx2.name) return isa::loops_avx2;
#endif
  return isa::loops_baseline;
}

}  // namespace

const SimdLoops& simd_loops() {
  static const SimdLoops& chosen = loops_for(isa::kernels().name);
  return chosen;
}

}  // namespace tessera::kernels::cpu
