// adam_step: one step of Adam over flat vectors of one length; t = state->step + 1, lr = state->learning_rate[group].
//
//   g' = g + weight_decay·w, or where the decay is decoupled g' = g and w ← w − lr·weight_decay·w first;
//   m = β1·m + (1 − β1)·g';  v = β2·v + (1 − β2)·g'²;
//   keras     w −= lr·√(1 − β2^t)/(1 − β1^t) · m / (√v + ε)
//   pytorch   w −= lr/(1 − β1^t) · m / (√v/√(1 − β2^t) + ε)
//
// Nothing changes where guard->skip ≠ 0. All parameters of a network lie in one vector: one launch a step.
// Threads: each_element (elements.h). The bias corrections depend on t, which only the device knows: the first thread of
// each block computes them in double precision (β^t by repeated squaring) and the others take them from shared memory.
// Bytes per element 28, two more for the bf16 copy of the weights; about 14 FLOP with a square root and a division: bound
// by memory.
#include "kernels/cuda/elements.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

// base^exponent, exponent ≥ 0.
__device__ inline double power(double base, std::int64_t exponent) {
  double result = 1.0;
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result *= base;
    base *= base;
  }
  return result;
}

// What all forms come down to: w = keep·w − rate · m / (√v·root + ε).
struct Corrections {
  float keep, rate, root;
};

struct AdamStep {
  AdamParams params;
  const StepState* state;
  const StepGuard* guard;  // ?
  const float* gradient;
  float *weights, *moment1, *moment2;
  bf16* copy;  // ?
  float keep1, take1, keep2, take2, weight_decay, epsilon;
  Corrections corrections = {};

  __device__ bool prepare() {
    __shared__ Corrections shared;
    if (threadIdx.x == 0) {
      const std::int64_t t = state->step + 1;
      const double first = 1.0 - power(params.beta1, t), second = sqrt(1.0 - power(params.beta2, t));
      const bool keras = params.form == AdamForm::keras;
      const double rate = state->learning_rate[params.group];
      shared.keep = static_cast<float>(params.decoupled ? 1.0 - rate * params.weight_decay : 1.0);
      shared.rate = static_cast<float>(rate * (keras ? second : 1.0) / first);
      shared.root = static_cast<float>(keras ? 1.0 : 1.0 / second);
    }
    __syncthreads();
    corrections = shared;
    return !guard || guard->skip == 0;
  }
  template <int width>
  __device__ void operator()(std::int64_t i) const {
    const Pack<width> g = load<width>(gradient + i);
    Pack<width> w = load<width>(weights + i), m = load<width>(moment1 + i), v = load<width>(moment2 + i);
    for (int j = 0; j < width; ++j) {
      const float step = g.v[j] + weight_decay * w.v[j];
      m.v[j] = keep1 * m.v[j] + take1 * step;
      v.v[j] = keep2 * v.v[j] + take2 * (step * step);
      w.v[j] = corrections.keep * w.v[j] - corrections.rate * m.v[j] / (sqrtf(v.v[j]) * corrections.root + epsilon);
    }
    store(weights + i, w);
    store(moment1 + i, m);
    store(moment2 + i, v);
    if (copy) store(copy + i, w);
  }
};

}  // namespace

void adam_step(Stream& stream, const AdamParams& params, const StepState* state, const StepGuard* guard, ConstView gradient,
               View weights, View moment1, View moment2, View copy) {
  require_float32(stream, weights);
  const AdamStep step{params,
                      state,
                      guard,
                      gradient.as<float>(),
                      weights.as<float>(),
                      moment1.as<float>(),
                      moment2.as<float>(),
                      copy.as<bf16>(),
                      static_cast<float>(params.beta1),
                      static_cast<float>(1.0 - params.beta1),
                      static_cast<float>(params.beta2),
                      static_cast<float>(1.0 - params.beta2),
                      static_cast<float>(params.decoupled ? 0.0 : params.weight_decay),
                      static_cast<float>(params.epsilon)};
  const bool packs = aligned_for_packs<4>(step.gradient, step.weights, step.moment1, step.moment2, step.copy);
  each_element<4>(stream, weights.count(), packs, step);
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
