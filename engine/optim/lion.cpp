#include "engine/optim/lion.h"

namespace tessera {

Lion::Lion(ParameterStore& parameters, const Options& o)
    : Optimizer(parameters, o.learning_rate), params_{.beta1 = o.beta1, .beta2 = o.beta2, .weight_decay = o.weight_decay} {
  remember("momentum");
}

void Lion::update(const kernels::StepState* state, const kernels::StepGuard* guard) {
  params_.group = group_;
  for_each_part([&](const auto& part) {
    parameters_.device()->run(&Backend::lion_step, params_, state, guard, part(parameters_.gradients()),
                              part(parameters_.values()), part(memory_.at("momentum")), part(parameters_.rounded()));
  });
}

}  // namespace tessera
