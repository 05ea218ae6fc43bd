// Which instruction set the micro-kernels run on.
#include <cstdlib>
#include <string>
#include <string_view>

#include "kernels/cpu/isa/kernels.h"
#include "kernels/errors.h"

namespace tessera::kernels::cpu::isa {
namespace {

// What the processor (and the operating system, which must save the wider registers) supports, best first.
const Kernels& choose() {
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
  const char* forced = std::getenv("TESSERA_ISA");
  const std::string_view wanted = forced ? forced : "";
  for (const Candidate& candidate : candidates) {
    if (!wanted.empty() && wanted != candidate.kernels.name) continue;
    if (candidate.supported) return candidate.kernels;
    if (!wanted.empty())
      throw DeviceError("TESSERA_ISA=" + std::string(wanted) + ": this processor has no " + std::string(wanted) +
                        "; unset it to use the best set that there is");
  }
  std::string known;
  for (const Candidate& candidate : candidates) known += (known.empty() ? "" : ", ") + std::string(candidate.kernels.name);
  throw DeviceError("TESSERA_ISA=" + std::string(wanted) + ": no such instruction set in this build; there are: " + known);
}

}  // namespace

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace tessera::kernels::cpu::isa
