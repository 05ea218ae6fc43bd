#include "engine/optim/sgd.h"

namespace tessera {

Sgd::Sgd(ParameterStore& parameters, const Options& o)
    : params_{.momentum = o.momentum, .weight_decay = o.weight_decay, .nesterov = o.nesterov}, parameters_(parameters) {
  if (o.momentum != 0)
    velocity_ = Tensor::zeros(parameters.device(), parameters.values().shape(), parameters.values().dtype());
}

void Sgd::step(const kernels::StepState* state, const kernels::StepGuard* guard) {
  Device& device = *parameters_.device();
  for (const auto& [first, count] : parameters_.ranges_with_gradient()) {
    const Shape range{count};
    device.run(&Backend::sgd_step, params_, state, guard, parameters_.gradients().slice(first, range),
               parameters_.values().slice(first, range), velocity_ ? velocity_.slice(first, range).view() : kernels::View{},
               parameters_.rounded() ? parameters_.rounded().slice(first, range).view() : kernels::View{});
  }
}

std::map<std::string, Tensor> Sgd::memory() const {
  if (!velocity_) return {};
  return {{"velocity", velocity_}};
}

}  // namespace tessera
