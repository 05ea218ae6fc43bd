// AdamW (Loshchilov & Hutter 2019), PyTorch's form: Adam whose weight decay does not pass through the moments.
//
//   w ← w − lr·weight_decay·w, then Adam's step by the gradient alone
#pragma once

#include "engine/optim/adam.h"

namespace tessera {

class AdamW : public AdamRule {
 public:
  struct Options {
    static constexpr const char* kind = "adamw";
    using Rule = AdamW;
    double learning_rate = 1e-3;
    double weight_decay = 1e-2;
    double beta1 = 0.9, beta2 = 0.999;
    double epsilon = 1e-8;
    template <class F>
    void fields(F& f) {
      f("learning_rate", learning_rate, {.help = "Learning rate", .least = 0});
      f("weight_decay", weight_decay, {.help = "Decoupled: share of lr·w that each step takes off", .least = 0});
      f("beta1", beta1, {.help = "Share of the first moment that is kept", .least = 0, .most = 1});
      f("beta2", beta2, {.help = "Share of the second moment that is kept", .least = 0, .most = 1});
      f("epsilon", epsilon, {.help = "Keeps the division finite", .least = 0});
    }
  };
  AdamW(ParameterStore& parameters, const Options& o)
      : AdamRule(parameters, o.learning_rate,
                 {.beta1 = o.beta1,
                  .beta2 = o.beta2,
                  .epsilon = o.epsilon,
                  .weight_decay = o.weight_decay,
                  .form = AdamForm::pytorch,
                  .decoupled = true}) {}
  explicit AdamW(ParameterStore& parameters) : AdamW(parameters, Options()) {}
};

}  // namespace tessera
