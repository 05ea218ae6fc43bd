// Which instruction set the kernels run on.
#include <cstdlib>
#include <string>

#include "kernels/cpu/isa/kernels.h"
#include "kernels/errors.h"

namespace tessera::kernels::cpu::isa {

const Kernels& kernels_named(std::string_view wanted) {
  // What the processor (and the operating system, which must save the wider registers) supports, best first.
  struct Candidate {
    const Kernels& kernels;
    bool supported;
  };
#if defined(__x86_64__)
  const Candidate candidates[] = {
      {avx512, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                   __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")},
      {avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")},
      {baseline, true},
  };
#else
  const Candidate candidates[] = {{baseline, true}};
#endif
  for (const Candidate& candidate : candidates) {
    if (!wanted.empty() && wanted != candidate.kernels.name) continue;
    if (candidate.supported) return candidate.kernels;
    if (!wanted.empty())
      throw DeviceError("instruction set '" + std::string(wanted) +
                        "' (TESSERA_ISA): this processor does not have it; unset it to use the best set that there is");
  }
  std::string known;
  for (const Candidate& candidate : candidates) known += (known.empty() ? "" : ", ") + std::string(candidate.kernels.name);
  throw DeviceError("instruction set '" + std::string(wanted) +
                    "' (TESSERA_ISA): this build has none of that name; it has " + known);
}

const Kernels& kernels() {
  static const Kernels& chosen = []() -> const Kernels& {
    const char* wanted = std::getenv("TESSERA_ISA");
    return kernels_named(wanted ? wanted : "");
  }();
  return chosen;
}

}  // namespace tessera::kernels::cpu::isa

namespace tessera::kernels::cpu {

const SimdLoops& simd_loops() { return isa::kernels().loops; }

}  // namespace tessera::kernels::cpu
