#include "engine/optim/muon.h"

namespace tessera {

Muon::Muon(ParameterStore& parameters, const Options& o) : Optimizer(parameters, o.learning_rate), momentum_(o.momentum) {
  remember("velocity");
}

void Muon::update(const kernels::StepState* state, const kernels::StepGuard* guard) {
  kernels::MuonParams params{.momentum = momentum_, .group = group_};
  const auto issue = [&] {
    const Tensor& copy = parameters_.rounded();
    parameters_.device()->run(&Backend::muon_step, params, state, guard, parameters_.gradients(), parameters_.values(),
                              memory_.at("velocity"), copy ? copy.view() : kernels::View{});
    params.count = 0;
  };
  for (std::size_t i = 0; i < parameters_.parameters().size(); ++i) {
    const Parameter& parameter = *parameters_.parameters()[i];
    if (!updates(i)) continue;
    const std::int64_t rows = parameter.shape()[0];
    if (parameter.shape().rank < 2)
      throw UsageError("muon moves matrices, and " + parameter.path() + " is " + to_string(parameter.shape()) +
                       ": such parameters need a group with another optimiser");
    params.matrices[params.count++] = {parameters_.offset(i), static_cast<std::int32_t>(rows),
                                       static_cast<std::int32_t>(parameter.count() / rows)};
    if (params.count == kernels::MuonParams::max_matrices) issue();
  }
  if (params.count > 0) issue();
}

}  // namespace tessera
