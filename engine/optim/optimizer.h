// Optimisers over the flat parameter buffer of a ParameterStore.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "engine/core/fields.h"
#include "engine/nn/parameter_store.h"

namespace tessera {

using kernels::AdamForm;

enum class OptimizerKind : std::uint8_t { sgd, adam };
inline std::span<const Word<OptimizerKind>> words(OptimizerKind) {
  static constexpr Word<OptimizerKind> table[] = {{OptimizerKind::sgd, "sgd"}, {OptimizerKind::adam, "adam"}};
  return table;
}

// What a recipe says of its optimiser. Formulas: kernels/backend.h (sgd_step, adam_step).
struct OptimizerConfig {
  OptimizerKind kind = OptimizerKind::sgd;
  double learning_rate = 0.01;
  double weight_decay = 0;  // coupled L2: g ← g + weight_decay·w, on every parameter that has a gradient
  double momentum = 0;      // sgd
  bool nesterov = false;    // sgd
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7;  // adam
  AdamForm form = AdamForm::keras;                    // adam

  static OptimizerConfig sgd(double learning_rate, double momentum = 0) {
    return {.kind = OptimizerKind::sgd, .learning_rate = learning_rate, .momentum = momentum};
  }
  static OptimizerConfig adam_keras(double learning_rate = 1e-3) {
    return {.kind = OptimizerKind::adam, .learning_rate = learning_rate, .epsilon = 1e-7, .form = AdamForm::keras};
  }
  static OptimizerConfig adam(double learning_rate = 1e-3, double weight_decay = 0) {  // PyTorch, Paddle
    return {.kind = OptimizerKind::adam,
            .learning_rate = learning_rate,
            .weight_decay = weight_decay,
            .epsilon = 1e-8,
            .form = AdamForm::pytorch};
  }
  template <class F>
  void fields(F& f) {
    f("kind", kind);
    f("learning_rate", learning_rate, {.least = 0});
    f("weight_decay", weight_decay, {.least = 0});
    f("momentum", momentum, {.least = 0, .most = 1});
    f("nesterov", nesterov);
    f("beta1", beta1, {.least = 0, .most = 1});
    f("beta2", beta2, {.least = 0, .most = 1});
    f("epsilon", epsilon, {.least = 0});
    std::string word = form == AdamForm::keras ? "keras" : "pytorch";
    f("form", word);
    form = word == "keras" ? AdamForm::keras : AdamForm::pytorch;
  }

  // The command line's word for it: sgd, adam-keras, adam.
  std::string name() const;
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // One update of every parameter that received a gradient since the last clear. `state` and `guard` are device memory;
  // where guard->skip is set, nothing changes.
  virtual void step(const kernels::StepState* state, const kernels::StepGuard* guard) = 0;

  // What it remembers between steps, by name ("moment1"): flat tensors parallel to the parameters.
  virtual std::map<std::string, Tensor> memory() const = 0;
};

std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config, ParameterStore& parameters);

}  // namespace tessera
