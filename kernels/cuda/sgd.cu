// sgd_step: one step of stochastic gradient descent over flat vectors of one length; lr = state->learning_rate[group].
//
//   g' = g + weight_decay·w;   momentum = 0:  w −= lr·g';
//   otherwise  v = momentum·v + g';  w −= lr·(nesterov ? g' + momentum·v : v).
//
// Nothing changes where guard->skip ≠ 0. All parameters of a network lie in one vector: one launch a step.
// Threads: each_element (elements.h). Bytes per element 20 (12 without momentum), two more for the bf16 copy of the weights;
// about 6 FLOP: bound by memory.
#include "kernels/cuda/elements.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

template <bool with_momentum>
struct SgdStep {
  const StepState* state;
  const StepGuard* guard;  // ?
  const float* gradient;
  float* weights;
  float* velocity;
  bf16* copy;  // ?
  float momentum, weight_decay;
  bool nesterov;
  int group;
  float learning_rate = 0;

  __device__ bool prepare() {
    learning_rate = static_cast<float>(state->learning_rate[group]);
    return !guard || guard->skip == 0;
  }
  template <int width>
  __device__ void operator()(std::int64_t i) const {
    const Pack<width> g = load<width>(gradient + i);
    Pack<width> w = load<width>(weights + i), step;
    for (int j = 0; j < width; ++j) step.v[j] = g.v[j] + weight_decay * w.v[j];
    if constexpr (with_momentum) {
      Pack<width> v = load<width>(velocity + i);
      for (int j = 0; j < width; ++j) {
        v.v[j] = momentum * v.v[j] + step.v[j];
        step.v[j] = nesterov ? step.v[j] + momentum * v.v[j] : v.v[j];
      }
      store(velocity + i, v);
    }
    for (int j = 0; j < width; ++j) w.v[j] -= learning_rate * step.v[j];
    store(weights + i, w);
    if (copy) store(copy + i, w);
  }
};

}  // namespace

void sgd_step(Stream& stream, const SgdParams& params, const StepState* state, const StepGuard* guard, ConstView gradient,
              View weights, View velocity, View copy) {
  require_float32(stream, weights);
  const float *g = gradient.as<float>(), momentum = static_cast<float>(params.momentum);
  float *w = weights.as<float>(), *v = velocity.as<float>();
  bf16* const c = copy.as<bf16>();
  const float decay = static_cast<float>(params.weight_decay);
  const bool packs = aligned_for_packs<4>(g, w, v, c), nesterov = params.nesterov;
  if (params.momentum != 0)
    each_element<4>(stream, weights.count(), packs,
                    SgdStep<true>{state, guard, g, w, v, c, momentum, decay, nesterov, params.group});
  else
    each_element<4>(stream, weights.count(), packs,
                    SgdStep<false>{state, guard, g, w, v, c, momentum, decay, nesterov, params.group});
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
