// Optimisers over the flat parameter buffer of a ParameterStore.
#pragma once

#include <functional>
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
  // learning rate is state's, of this optimiser's group. Where guard->skip is set, nothing changes.
  virtual void update(const kernels::StepState* state, const kernels::StepGuard* guard) = 0;

  // What it remembers between steps, by name ("moment1"): flat tensors parallel to the parameters.
  std::map<std::string, Tensor> memory() const { return memory_; }
  const ParameterStore& parameters() const { return parameters_; }  // it moves no others

  // From now on it updates those parameters alone, by the learning rate of that group (0 … kernels::max_groups − 1).
  void only(const std::function<bool(const Parameter&)>& chosen, int group = 0);

  // A step of a loop of one's own: update() by this learning rate, then the gradients of its parameters are cleared for the
  // next pass.
  void step();
  double learning_rate;  // of step(): at first the options'; may change between steps

 protected:
  Optimizer(ParameterStore& parameters, double rate) : learning_rate(rate), parameters_(parameters) {}
  void remember(const char* name);  // zeros

  // Is parameter i (of the store's order) one of its own, and did it receive a gradient since the last clear?
  bool updates(std::size_t i) const {
    return (chosen_.empty() || chosen_[i]) && parameters_.parameters()[i]->node()->filled();
  }

  // Calls issue(part) for every range of the flat buffers that is to be updated; part(tensor) is a view of that range, empty
  // where there is no tensor.
  template <class Issue>
  void for_each_part(Issue&& issue) const {
    for (const ParameterStore::Range& range : parameters_.ranges_with_gradient(chosen_))
      issue([&range](const Tensor& flat) { return flat ? flat.slice(range.first, {range.count}).view() : kernels::View{}; });
  }

  ParameterStore& parameters_;
  std::map<std::string, Tensor> memory_;
  int group_ = 0;

 private:
  friend class GroupedOptimizer;
  std::vector<bool> chosen_;  // by the store's order; empty: all
  std::int64_t steps_ = 0;    // by step()
};

}  // namespace tessera
