#include "engine/optim/optimizer.h"

namespace tessera {

void Optimizer::only(const std::function<bool(const Parameter&)>& chosen, int group) {
  chosen_.clear();
  for (const Parameter* parameter : parameters_.parameters()) chosen_.push_back(chosen(*parameter));
  group_ = group;
}

void Optimizer::step() {
  kernels::StepState state{.step = steps_};
  state.learning_rate[group_] = learning_rate;
  parameters_.set_step_state(state);
  update(parameters_.step_state(), nullptr);
  parameters_.clear_gradients(chosen_);
  state.step = ++steps_;
  parameters_.set_step_state(state);  // for the dropouts of the next pass
}

void Optimizer::remember(const char* name) {
  memory_[name] = Tensor::zeros(parameters_.device(), parameters_.values().shape(), parameters_.values().dtype());
}

}  // namespace tessera
