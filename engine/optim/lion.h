// Lion (Chen et al. 2023, "Symbolic discovery of optimization algorithms", algorithm 2): steps of one size, in the direction
// of a momentum's sign. Its rate is a third to a tenth of AdamW's, its decay larger by as much.
//
//   w ← w − lr·(sign(β1·m + (1−β1)·g) + weight_decay·w);  m ← β2·m + (1−β2)·g
#pragma once

#include "engine/optim/optimizer.h"

namespace tessera {

class Lion : public Optimizer {
 public:
  struct Options {
    static constexpr const char* kind = "lion";
    using Rule = Lion;
    double learning_rate = 1e-4;
    double weight_decay = 0;
    double beta1 = 0.9, beta2 = 0.99;
    template <class F>
    void fields(F& f) {
      f("learning_rate", learning_rate, {.help = "Learning rate", .least = 0});
      f("weight_decay", weight_decay, {.help = "Decoupled: share of lr·w that each step takes off", .least = 0});
      f("beta1", beta1, {.help = "Share of the momentum in a step's direction", .least = 0, .most = 1});
      f("beta2", beta2, {.help = "Share of the momentum that is kept", .least = 0, .most = 1});
    }
  };
  Lion(ParameterStore& parameters, const Options& options);
  explicit Lion(ParameterStore& parameters) : Lion(parameters, Options()) {}
  void update(const kernels::StepState* state, const kernels::StepGuard* guard) override;

 private:
  kernels::LionParams params_;
};

}  // namespace tessera
