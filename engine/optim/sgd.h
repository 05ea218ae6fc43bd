// Stochastic gradient descent, with momentum (Polyak) or Nesterov's form of it where asked for.
//
//   g ← g + weight_decay·w;  v ← momentum·v + g;  w ← w − lr·v,  Nesterov: w ← w − lr·(g + momentum·v)
//
// v starts at 0; the form is PyTorch's.
#pragma once

#include "engine/optim/optimizer.h"

namespace tessera {

class Sgd : public Optimizer {
 public:
  struct Options {
    static constexpr const char* kind = "sgd";
    using Rule = Sgd;
    double learning_rate = 1e-3;
    double weight_decay = 0;
    double momentum = 0;
    bool nesterov = false;
    template <class F>
    void fields(F& f) {
      f("learning_rate", learning_rate, {.help = "Learning rate", .least = 0});
      f("weight_decay", weight_decay, {.help = "Coupled L2: weight_decay·w is added to the gradient", .least = 0});
      f("momentum", momentum, {.help = "Share of the velocity that is kept", .least = 0, .most = 1});
      f("nesterov", nesterov, {.help = "Nesterov's momentum"});
    }
  };
  Sgd(ParameterStore& parameters, const Options& options);
  explicit Sgd(ParameterStore& parameters) : Sgd(parameters, Options()) {}
  void update(const kernels::StepState* state, const kernels::StepGuard* guard) override;

 private:
  kernels::SgdParams params_;
};

}  // namespace tessera
