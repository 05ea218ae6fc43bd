#include "bench/ladder.h"

#include <stdexcept>

#include "kernels/ladder.h"

namespace tessera::bench {

std::vector<StepKernel> ladder_kernels(std::int64_t size, const kernels::Backend& backend) {
  if (!kernels::ladder_of(backend))
    throw std::invalid_argument(std::string("--ladder: backend '") + backend.name + "' has none; cuda and emulated have");
  if (size % 64 != 0) throw std::invalid_argument("--ladder " + std::to_string(size) + ": not a multiple of 64");
  const double n = static_cast<double>(size);
  const auto product = [&](const std::string& name, auto call) {
    StepKernel kernel;
    kernel.ours_alone = true;
    kernel.slot_case = {
        .slot = "matmul",
        .variant = std::to_string(size) + "^3 " + name,
        .operands = {cases::input("a", {size, size}), cases::input("b", {size, size}), cases::output("c", {size, size})},
        .call = call,
        .flops = 2 * n * n * n};
    return kernel;
  };
  std::vector<StepKernel> all;
  for (std::size_t rung = 0; rung < kernels::ladder_rungs.size(); ++rung)
    all.push_back(product(kernels::ladder_rungs[rung], [rung](kernels::Stream& s, const cases::Operands& o) {
      kernels::ladder_of(s.backend)(s, static_cast<int>(rung), o["a"], o["b"], o["c"]);
    }));
  all.push_back(product("as networks have it", [](kernels::Stream& s, const cases::Operands& o) {
    s.backend.matmul(s, {}, o["a"], o["b"], {}, {o["c"], false});
  }));
  return all;
}

}  // namespace tessera::bench
