// lion_step: see kernels/slots.def.
//
// Loop order: flat, one fused pass; threads get runs of blocks of 4096 weights. A block is rounded into the bf16 copy while
// it is in L1. 20 bytes a weight: bound by memory.
#include "kernels/cpu/blocks.h"
#include "kernels/cpu/isa/simd_loops.h"
#include "kernels/cpu/launchers.h"

namespace tessera::kernels::cpu {

void lion_step(Stream& stream, const LionParams& params, const StepState* state, const StepGuard* guard, ConstView gradient,
               View weights, View moment, View copy) {
  require_float32(stream, "lion_step", {gradient, weights, moment});
  if (guard && guard->skip) return;
  const double rate = state->learning_rate[params.group];
  const LionConstants constants{.rate = static_cast<float>(rate),
                                .keep = static_cast<float>(1.0 - rate * params.weight_decay),
                                .beta1 = static_cast<float>(params.beta1),
                                .one_minus_beta1 = static_cast<float>(1.0 - params.beta1),
                                .beta2 = static_cast<float>(params.beta2),
                                .one_minus_beta2 = static_cast<float>(1.0 - params.beta2)};
  const SimdLoops& loops = simd_loops(stream);
  const float* g = gradient.as<float>();
  float *w = weights.as<float>(), *m = moment.as<float>();
  for_blocks(stream, weights.count(), [&](std::int64_t, std::int64_t i, std::int64_t count) {
    loops.lion(constants, g + i, w + i, m + i, count);
    if (copy) loops.narrow(w + i, count, copy.as<bf16>() + i);
  });
}

}  // namespace tessera::kernels::cpu
