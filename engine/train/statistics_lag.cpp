#include "engine/train/statistics_lag.h"

#include <algorithm>
#include <cmath>

#include "engine/nn/layers.h"

namespace tessera {

double statistics_lag(Network& network, std::int64_t steps) {
  struct Lag : Visitor {
    void on_module(const std::string&, Module& module) override {
      const auto* norm = dynamic_cast<const BatchNorm*>(&module);
      if (norm && norm->uses_batch_statistics({.training = true}))
        share = std::max(share, std::pow(1 - norm->options.momentum, steps));
    }
    double share = 0, steps = 0;
  } lag;
  lag.steps = static_cast<double>(steps);
  network.visit(lag);
  return lag.share;
}

}  // namespace tessera
