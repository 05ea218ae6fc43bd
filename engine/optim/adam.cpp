#include "engine/optim/adam.h"

namespace tessera {

AdamRule::AdamRule(ParameterStore& parameters, double rate, const kernels::AdamParams& params)
    : Optimizer(parameters, rate), params_(params) {
  remember("moment1");
  remember("moment2");
}

void AdamRule::update(const kernels::StepState* state, const kernels::StepGuard* guard) {
  params_.group = group_;
  for_each_part([&](const auto& part) {
    parameters_.device()->run(&Backend::adam_step, params_, state, guard, part(parameters_.gradients()),
                              part(parameters_.values()), part(memory_.at("moment1")), part(memory_.at("moment2")),
                              part(parameters_.rounded()));
  });
}

}  // namespace tessera
