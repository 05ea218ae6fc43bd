#include "engine/optim/sgd.h"

namespace tessera {

Sgd::Sgd(ParameterStore& parameters, const Options& o)
    : Optimizer(parameters, o.learning_rate),
      params_{.momentum = o.momentum, .weight_decay = o.weight_decay, .nesterov = o.nesterov} {
  if (o.momentum != 0) remember("velocity");
}

void Sgd::update(const kernels::StepState* state, const kernels::StepGuard* guard) {
  params_.group = group_;
  const Tensor velocity = params_.momentum != 0 ? memory_.at("velocity") : Tensor();
  for_each_part([&](const auto& part) {
    parameters_.device()->run(&Backend::sgd_step, params_, state, guard, part(parameters_.gradients()),
                              part(parameters_.values()), part(velocity), part(parameters_.rounded()));
  });
}

}  // namespace tessera
