// Inner loops of the optimisers: every operand read and written once. Adam moves 28 bytes a weight and does a square root
// and a division, SGD with momentum and Lion 20 bytes; memory bounds them all.
#pragma once

#include "kernels/cpu/isa/simd.h"

namespace tessera::kernels::cpu::isa {
namespace {

void adam(const AdamConstants& constants, const float* __restrict gradient, float* __restrict weights,
          float* __restrict moment1, float* __restrict moment2, Index count) {
  const AdamConstants k = constants;  // a copy: no store below can change it
  TESSERA_INDEPENDENT
  for (Index i = 0; i < count; ++i) {
    const float g = gradient[i] + k.weight_decay * weights[i];
    const float m = k.beta1 * moment1[i] + k.one_minus_beta1 * g;
    const float v = k.beta2 * moment2[i] + k.one_minus_beta2 * (g * g);
    moment1[i] = m;
    moment2[i] = v;
    weights[i] = k.keep * weights[i] - k.step_size * m / (__builtin_sqrtf(v) * k.root_scale + k.epsilon);
  }
}

void sgd(const SgdConstants& constants, const float* __restrict gradient, float* __restrict weights,
         float* __restrict velocity, Index count) {
  const SgdConstants k = constants;
  if (!velocity) {
    TESSERA_INDEPENDENT
    for (Index i = 0; i < count; ++i) weights[i] -= k.learning_rate * (gradient[i] + k.weight_decay * weights[i]);
  } else if (k.nesterov) {
    TESSERA_INDEPENDENT
    for (Index i = 0; i < count; ++i) {
      const float g = gradient[i] + k.weight_decay * weights[i];
      velocity[i] = k.momentum * velocity[i] + g;
      weights[i] -= k.learning_rate * (g + k.momentum * velocity[i]);
    }
  } else {
    TESSERA_INDEPENDENT
    for (Index i = 0; i < count; ++i) {
      velocity[i] = k.momentum * velocity[i] + (gradient[i] + k.weight_decay * weights[i]);
      weights[i] -= k.learning_rate * velocity[i];
    }
  }
}

void lion(const LionConstants& constants, const float* __restrict gradient, float* __restrict weights,
          float* __restrict moment, Index count) {
  const LionConstants k = constants;
  TESSERA_INDEPENDENT
  for (Index i = 0; i < count; ++i) {
    const float g = gradient[i], m = moment[i];
    const float mixed = k.beta1 * m + k.one_minus_beta1 * g;
    const float step = (mixed > 0.0f ? k.rate : 0.0f) - (mixed < 0.0f ? k.rate : 0.0f);
    weights[i] = k.keep * weights[i] - step;
    moment[i] = k.beta2 * m + k.one_minus_beta2 * g;
  }
}

}  // namespace
}  // namespace tessera::kernels::cpu::isa
