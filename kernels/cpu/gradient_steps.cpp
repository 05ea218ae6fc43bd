// average_step, clip_norm: see kernels/slots.def.
//
// Loop order: flat; threads get runs of blocks of 4096 elements. 12 bytes an element, 8 for clip_norm: bound by memory.
#include <cmath>

#include "kernels/cpu/blocks.h"
#include "kernels/cpu/isa/simd_loops.h"
#include "kernels/cpu/launchers.h"

namespace tessera::kernels::cpu {

void average_step(Stream& stream, double keep, const StepState* state, const StepGuard* guard, ConstView x, View average) {
  require_float32(stream, "average_step", {x, average});
  if (guard && guard->skip) return;
  const SimdLoops& loops = simd_loops(stream);
  const float old = state->step == 0 ? 0.0f : static_cast<float>(keep);
  const float fresh = state->step == 0 ? 1.0f : static_cast<float>(1.0 - keep);
  const float* from = x.as<float>();
  float* to = average.as<float>();
  for_blocks(stream, x.count(), [&](std::int64_t, std::int64_t i, std::int64_t count) {
    if (old != 0.0f) loops.scale(old, to + i, to + i, false, count);
    loops.scale(fresh, from + i, to + i, old != 0.0f, count);
  });
}

void clip_norm(Stream& stream, double most, ConstView squares, View gradient) {
  require_float32(stream, "clip_norm", {squares, gradient});
  const double norm = std::sqrt(static_cast<double>(*squares.as<float>()));
  const float factor = static_cast<float>(std::min(1.0, most / (norm + 1e-6)));
  if (factor == 1.0f) return;
  const SimdLoops& loops = simd_loops(stream);
  float* g = gradient.as<float>();
  for_blocks(stream, gradient.count(),
             [&](std::int64_t, std::int64_t i, std::int64_t count) { loops.scale(factor, g + i, g + i, false, count); });
}

}  // namespace tessera::kernels::cpu
