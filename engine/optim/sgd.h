// Stochastic gradient descent, with momentum (Polyak) or Nesterov's form of it where asked for.
#pragma once

#include "engine/optim/optimizer.h"

namespace tessera {

class Sgd : public Optimizer {
 public:
  Sgd(const OptimizerConfig& config, ParameterStore& parameters);
  void step(const kernels::StepState* state, const kernels::StepGuard* guard) override;
  std::map<std::string, Tensor> memory() const override;

 private:
  kernels::SgdParams params_;
  ParameterStore& parameters_;
  Tensor velocity_;  // none without momentum
};

}  // namespace tessera
