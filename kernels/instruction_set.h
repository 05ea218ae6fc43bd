// The instruction sets that the `cpu` backend's inner loops are compiled for.
#pragma once

#include <array>
#include <string_view>

namespace tessera::kernels {

// best: the widest that the processor and its operating system support.
enum class InstructionSet : unsigned char { best, baseline, avx2, avx512 };

inline constexpr std::array<std::string_view, 4> instruction_set_names{"best", "baseline", "avx2", "avx512"};

inline constexpr std::string_view name_of(InstructionSet set) {
  return instruction_set_names[static_cast<std::size_t>(set)];
}

// What the environment variable TESSERA_ISA names; best where it is not set. Throws DeviceError for another word.
InstructionSet instruction_set_of_environment();

}  // namespace tessera::kernels
