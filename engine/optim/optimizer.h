// Optimisers over the flat parameter buffer of a ParameterStore.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "engine/core/fields.h"
#include "engine/nn/parameter_store.h"

namespace tessera {

// A rule that moves parameters by their gradients. Each has a header of its own with its formula, its Options (learning rate
// included; without arguments they are PyTorch's defaults), and a row in optimizers.h.
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // One update of every parameter that received a gradient since the last clear. `state` and `guard` are device memory; the
  // learning rate is state's. Where guard->skip is set, nothing changes.
  virtual void step(const kernels::StepState* state, const kernels::StepGuard* guard) = 0;

  // What it remembers between steps, by name ("moment1"): flat tensors parallel to the parameters.
  virtual std::map<std::string, Tensor> memory() const = 0;
};

}  // namespace tessera
