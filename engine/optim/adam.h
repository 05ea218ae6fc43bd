// Adam (Kingma & Ba 2014) in the two forms that frameworks use; they differ in where ε stands (kernels::AdamForm).
#pragma once

#include "engine/optim/optimizer.h"

namespace tessera {

class Adam : public Optimizer {
 public:
  Adam(const OptimizerConfig& config, ParameterStore& parameters);
  void step(const kernels::StepState* state, const kernels::StepGuard* guard) override;
  std::map<std::string, Tensor> memory() const override;

 private:
  kernels::AdamParams params_;
  ParameterStore& parameters_;
  Tensor moment1_, moment2_;
};

}  // namespace tessera
