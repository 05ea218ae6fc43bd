// Reference optimiser steps.
#include "kernels/reference/real.h"
#include "kernels/reference/slots.h"

namespace tessera::kernels::reference {

void check_finite(Stream&, ConstView x, StepGuard* guard) {
  with_real("check_finite", x.dtype, [&](auto zero) {
    using T = decltype(zero);
    bool finite = true;
    for (std::int64_t i = 0; i < x.count(); ++i) finite = finite && std::isfinite(x.as<T>()[i]);
    guard->skip = !finite;
    guard->consecutive = finite ? 0 : guard->consecutive + 1;
    guard->skipped += !finite;
  });
}

void sgd_step(Stream&, const SgdParams& p, const StepState* state, const StepGuard* guard, ConstView gradient, View weights,
              View velocity, View copy) {
  if (guard && guard->skip != 0) return;
  with_real("sgd_step", weights.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t i = 0; i < weights.count(); ++i) {
      const double w = weights.as<T>()[i], g = gradient.as<T>()[i] + p.weight_decay * w;
      double direction = g;
      if (p.momentum != 0) {
        const double v = p.momentum * velocity.as<T>()[i] + g;
        write(velocity.as<T>()[i], v, false);
        direction = p.nesterov ? g + p.momentum * v : v;
      }
      write(weights.as<T>()[i], w - state->learning_rate[p.group] * direction, false);
      if (copy) copy.as<bf16>()[i] = rounded<bf16>(weights.as<T>()[i]);
    }
  });
}

void adam_step(Stream&, const AdamParams& p, const StepState* state, const StepGuard* guard, ConstView gradient,
               View weights, View moment1, View moment2, View copy) {
  if (guard && guard->skip != 0) return;
  with_real("adam_step", weights.dtype, [&](auto zero) {
    using T = decltype(zero);
    const double t = static_cast<double>(state->step + 1), lr = state->learning_rate[p.group];
    const double correction1 = 1 - std::pow(p.beta1, t), correction2 = 1 - std::pow(p.beta2, t);
    for (std::int64_t i = 0; i < weights.count(); ++i) {
      const double w = weights.as<T>()[i], g = gradient.as<T>()[i] + (p.decoupled ? 0 : p.weight_decay * w);
      const double m = p.beta1 * moment1.as<T>()[i] + (1 - p.beta1) * g;
      const double v = p.beta2 * moment2.as<T>()[i] + (1 - p.beta2) * g * g;
      const double change = p.form == AdamForm::keras
                                ? lr * std::sqrt(correction2) / correction1 * m / (std::sqrt(v) + p.epsilon)
                                : lr / correction1 * m / (std::sqrt(v) / std::sqrt(correction2) + p.epsilon);
      write(moment1.as<T>()[i], m, false);
      write(moment2.as<T>()[i], v, false);
      write(weights.as<T>()[i], w - (p.decoupled ? lr * p.weight_decay * w : 0) - change, false);
      if (copy) copy.as<bf16>()[i] = rounded<bf16>(weights.as<T>()[i]);
    }
  });
}

}  // namespace tessera::kernels::reference
