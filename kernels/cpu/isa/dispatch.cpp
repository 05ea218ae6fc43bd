// Which instruction set the kernels run on.
#include <array>
#include <string>

#include "kernels/cpu/isa/kernels.h"
#include "kernels/cpu_instruction_set.h"
#include "kernels/errors.h"

namespace tessera::kernels::cpu::isa {
namespace {

struct Candidate {
  InstructionSet set;
  const Kernels& kernels;
  bool supported;  // by the processor, and by the operating system, which must save the wider registers
};

// Best first.
const auto& candidates() {
  static const std::array all {
#if defined(__x86_64__)
    Candidate{InstructionSet::avx512, avx512,
              __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                  __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")},
        Candidate{InstructionSet::avx2, avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")},
#endif
        Candidate{InstructionSet::baseline, baseline, true},
  };
  return all;
}

const Candidate& chosen(InstructionSet set) {
  for (const Candidate& candidate : candidates())
    if (set == candidate.set || (set == InstructionSet::best && candidate.supported)) {
      if (candidate.supported) return candidate;
      throw DeviceError("instruction set " + std::string(name_of(set)) +
                        ": this processor does not have it; leave TESSERA_ISA unset to use the best that there is");
    }
  throw DeviceError("instruction set " + std::string(name_of(set)) + ": this build has none of that name");
}

}  // namespace

const Kernels& kernels(InstructionSet set) { return chosen(set).kernels; }

const Int8Kernels& int8_kernels(const Stream& stream) {
  const Kernels& all = kernels(stream);
#if defined(__x86_64__)
  if (&all == &avx512 && __builtin_cpu_supports("avx512vnni")) return avx512vnni;
#endif
  return all.int8;
}

}  // namespace tessera::kernels::cpu::isa

namespace tessera::kernels {

InstructionSet cpu_instruction_set(InstructionSet wanted) { return cpu::isa::chosen(wanted).set; }

}  // namespace tessera::kernels

namespace tessera::kernels::cpu {

const SimdLoops& simd_loops(const Stream& stream) { return isa::kernels(stream).loops; }

}  // namespace tessera::kernels::cpu
