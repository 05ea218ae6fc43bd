#include "engine/optim/adam.h"

namespace tessera {

AdamRule::AdamRule(ParameterStore& parameters, const kernels::AdamParams& params)
    : params_(params),
      parameters_(parameters),
      moment1_(Tensor::zeros(parameters.device(), parameters.values().shape(), parameters.values().dtype())),
      moment2_(Tensor::zeros(parameters.device(), parameters.values().shape(), parameters.values().dtype())) {}

void AdamRule::step(const kernels::StepState* state, const kernels::StepGuard* guard) {
  Device& device = *parameters_.device();
  for (const auto& [first, count] : parameters_.ranges_with_gradient()) {
    const Shape range{count};
    device.run(&Backend::adam_step, params_, state, guard, parameters_.gradients().slice(first, range),
               parameters_.values().slice(first, range), moment1_.slice(first, range), moment2_.slice(first, range),
               parameters_.rounded() ? parameters_.rounded().slice(first, range).view() : kernels::View{});
  }
}

std::map<std::string, Tensor> AdamRule::memory() const { return {{"moment1", moment1_}, {"moment2", moment2_}}; }

}  // namespace tessera
