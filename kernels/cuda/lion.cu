// lion_step: one step of Lion over flat vectors of one length; lr = state->learning_rate[group].
//
//   w −= lr·(sign(β1·m + (1 − β1)·g) + weight_decay·w);   m = β2·m + (1 − β2)·g;   sign(0) = 0
//
// Nothing changes where guard->skip ≠ 0. All parameters of a network lie in one vector: one launch a step.
// Threads: each_element (elements.h). Bytes per element 20, two more for the bf16 copy of the weights; about 9 FLOP: bound by
// memory.
#include "kernels/cuda/elements.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

struct LionStep {
  LionParams params;
  const StepState* state;
  const StepGuard* guard;  // ?
  const float* gradient;
  float *weights, *moment;
  bf16* copy;  // ?
  float keep1, take1, keep2, take2;
  float rate = 0, keep = 1;

  __device__ bool prepare() {
    const double learning_rate = state->learning_rate[params.group];
    rate = static_cast<float>(learning_rate);
    keep = static_cast<float>(1.0 - learning_rate * params.weight_decay);
    return !guard || guard->skip == 0;
  }
  template <int width>
  __device__ void operator()(std::int64_t i) const {
    const Pack<width> g = load<width>(gradient + i);
    Pack<width> w = load<width>(weights + i), m = load<width>(moment + i);
    for (int j = 0; j < width; ++j) {
      const float mixed = keep1 * m.v[j] + take1 * g.v[j];
      w.v[j] = keep * w.v[j] - (mixed > 0.0f ? rate : mixed < 0.0f ? -rate : 0.0f);
      m.v[j] = keep2 * m.v[j] + take2 * g.v[j];
    }
    store(weights + i, w);
    store(moment + i, m);
    if (copy) store(copy + i, w);
  }
};

}  // namespace

void lion_step(Stream& stream, const LionParams& params, const StepState* state, const StepGuard* guard, ConstView gradient,
               View weights, View moment, View copy) {
  require_float32(stream, weights);
  const LionStep step{params,
                      state,
                      guard,
                      gradient.as<float>(),
                      weights.as<float>(),
                      moment.as<float>(),
                      copy.as<bf16>(),
                      static_cast<float>(params.beta1),
                      static_cast<float>(1.0 - params.beta1),
                      static_cast<float>(params.beta2),
                      static_cast<float>(1.0 - params.beta2)};
  const bool packs = aligned_for_packs<4>(step.gradient, step.weights, step.moment, step.copy);
  each_element<4>(stream, weights.count(), packs, step);
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
