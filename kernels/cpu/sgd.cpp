// sgd_step: plain, momentum or Nesterov SGD with coupled weight decay, see kernels/slots.def.
//
// Loop order: flat, one fused pass; threads get runs of blocks of 4096 weights. A block is rounded into the bf16 copy while
// it is in L1.
// 12 bytes a weight without momentum, 20 with: bound by memory.
#include "kernels/cpu/blocks.h"
#include "kernels/cpu/isa/simd_loops.h"
#include "kernels/cpu/launchers.h"

namespace tessera::kernels::cpu {

void sgd_step(Stream& stream, const SgdParams& params, const StepState* state, const StepGuard* guard, ConstView gradient,
              View weights, View velocity, View copy) {
  require_float32(stream, "sgd_step", {gradient, weights, velocity});
  if (guard && guard->skip) return;
  const SimdLoops& loops = simd_loops(stream);
  const SgdConstants constants{static_cast<float>(state->learning_rate[params.group]), static_cast<float>(params.momentum),
                               static_cast<float>(params.weight_decay), params.nesterov};
  const float* g = gradient.as<float>();
  float* w = weights.as<float>();
  float* v = params.momentum == 0.0 ? nullptr : velocity.as<float>();
  for_blocks(stream, weights.count(), [&](std::int64_t, std::int64_t i, std::int64_t count) {
    loops.sgd(constants, g + i, w + i, v ? v + i : nullptr, count);
    if (copy) loops.narrow(w + i, count, copy.as<bf16>() + i);
  });
}

}  // namespace tessera::kernels::cpu
