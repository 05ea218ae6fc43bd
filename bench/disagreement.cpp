#include "bench/disagreement.h"

#include <algorithm>
#include <cmath>

namespace tessera::bench {

double disagreement(const cases::Outputs& got, const cases::Outputs& expected) {
  constexpr double nothing_alike = 1e9;
  double worst = 0;
  for (std::size_t o = 0; o < expected.size(); ++o) {
    const std::vector<double>&g = got.at(o).values, &e = expected[o].values;
    double largest = 0, error = 0;
    for (std::size_t i = 0; i < e.size(); ++i) {
      const bool alike = g[i] == e[i] || (std::isnan(g[i]) && std::isnan(e[i]));
      if (std::isfinite(g[i]) && std::isfinite(e[i]))
        error = std::max(error, std::abs(g[i] - e[i])), largest = std::max(largest, std::abs(e[i]));
      else if (!alike)
        return nothing_alike;
    }
    if (error > 0) worst = std::max(worst, std::min(error / largest, nothing_alike));
  }
  return worst;
}

cases::Outputs float32_outputs(const cases::SlotCase& slot_case, const kernels::Backend& backend, int threads,
                               kernels::DType real) {
  kernels::Stream stream(backend, 0, {.threads = threads, .instruction_set = kernels::instruction_set_of_environment()});
  cases::Prepared prepared(slot_case, stream, kernels::DType::f32, false, real);
  prepared.call();
  return prepared.outputs();
}

}  // namespace tessera::bench
