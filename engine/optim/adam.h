// Adam (Kingma & Ba 2014), in the two forms that frameworks use; they differ in where ε stands.
//
//   g ← g + weight_decay·w;  m ← β1·m + (1−β1)·g;  v ← β2·v + (1−β2)·g²;  c1 = 1 − β1^t,  c2 = 1 − β2^t
//   Adam (PyTorch, Paddle):  w ← w − lr/c1 · m/(√v/√c2 + ε)
//   AdamKeras:               w ← w − lr·√c2/c1 · m/(√v + ε)
#pragma once

#include "engine/optim/optimizer.h"

namespace tessera {

using kernels::AdamForm;

// One pass of the slot adam_step over the parameters; the rules below are its parameters.
class AdamRule : public Optimizer {
 public:
  void update(const kernels::StepState* state, const kernels::StepGuard* guard) override;

 protected:
  AdamRule(ParameterStore& parameters, double rate, const kernels::AdamParams& params);

 private:
  kernels::AdamParams params_;
};

template <AdamForm form>
class AdamOf : public AdamRule {
 public:
  struct Options {
    static constexpr const char* kind = form == AdamForm::keras ? "adam-keras" : "adam";
    using Rule = AdamOf;
    double learning_rate = 1e-3;
    double weight_decay = 0;
    double beta1 = 0.9, beta2 = 0.999;
    double epsilon = form == AdamForm::keras ? 1e-7 : 1e-8;
    template <class F>
    void fields(F& f) {
      f("learning_rate", learning_rate, {.help = "Learning rate", .least = 0});
      f("weight_decay", weight_decay, {.help = "Coupled L2: weight_decay·w is added to the gradient", .least = 0});
      f("beta1", beta1, {.help = "Share of the first moment that is kept", .least = 0, .most = 1});
      f("beta2", beta2, {.help = "Share of the second moment that is kept", .least = 0, .most = 1});
      f("epsilon", epsilon, {.help = "Keeps the division finite", .least = 0});
    }
  };
  AdamOf(ParameterStore& parameters, const Options& o)
      : AdamRule(parameters, o.learning_rate,
                 {.beta1 = o.beta1, .beta2 = o.beta2, .epsilon = o.epsilon, .weight_decay = o.weight_decay, .form = form}) {}
  explicit AdamOf(ParameterStore& parameters) : AdamOf(parameters, Options()) {}
};

using Adam = AdamOf<AdamForm::pytorch>;
using AdamKeras = AdamOf<AdamForm::keras>;

}  // namespace tessera
