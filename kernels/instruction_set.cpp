#include "kernels/instruction_set.h"

#include <cstdlib>
#include <string>

#include "kernels/errors.h"

namespace tessera::kernels {

InstructionSet instruction_set_of_environment() {
  const char* const wanted = std::getenv("TESSERA_ISA");
  if (!wanted || !*wanted) return InstructionSet::best;
  std::string known;
  for (std::size_t i = 0; i < instruction_set_names.size(); ++i) {
    if (instruction_set_names[i] == wanted) return static_cast<InstructionSet>(i);
    known += (i == 0 ? "" : ", ") + std::string(instruction_set_names[i]);
  }
  throw DeviceError("TESSERA_ISA: '" + std::string(wanted) + "' is no instruction set; known are " + known);
}

}  // namespace tessera::kernels
