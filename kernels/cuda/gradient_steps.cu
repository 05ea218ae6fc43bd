// What is done beside an optimiser's step, over flat vectors.
//
//   average_step  average = keep·average + (1 − keep)·x, or x where state->step = 0; nothing where guard->skip ≠ 0
//   clip_norm     gradient *= min(1, most/(√squares + 1e-6))
//
// Threads: each_element (elements.h). Bytes per element 12, clip_norm 8; one to three FLOP: bound by memory.
#include "kernels/cuda/elements.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

struct AverageStep {
  const StepState* state;
  const StepGuard* guard;  // ?
  const float* x;
  float* average;
  float keep, take;

  __device__ bool prepare() {
    if (state->step == 0) keep = 0.0f, take = 1.0f;
    return !guard || guard->skip == 0;
  }
  template <int width>
  __device__ void operator()(std::int64_t i) const {
    const Pack<width> fresh = load<width>(x + i);
    Pack<width> mean = load<width>(static_cast<const float*>(average) + i);
    for (int j = 0; j < width; ++j) mean.v[j] = keep == 0.0f ? fresh.v[j] : keep * mean.v[j] + take * fresh.v[j];
    store(average + i, mean);
  }
};

struct ClipNorm {
  double most;
  const float* squares;
  float* gradient;
  float factor = 1;

  __device__ bool prepare() {
    const double allowed = most / (sqrt(static_cast<double>(*squares)) + 1e-6);
    factor = allowed < 1.0 ? static_cast<float>(allowed) : 1.0f;
    return factor != 1.0f;
  }
  template <int width>
  __device__ void operator()(std::int64_t i) const {
    Pack<width> g = load<width>(static_cast<const float*>(gradient) + i);
    for (int j = 0; j < width; ++j) g.v[j] *= factor;
    store(gradient + i, g);
  }
};

}  // namespace

void average_step(Stream& stream, double keep, const StepState* state, const StepGuard* guard, ConstView x, View average) {
  require_float32(stream, average);
  const AverageStep step{
      state, guard, x.as<float>(), average.as<float>(), static_cast<float>(keep), static_cast<float>(1.0 - keep)};
  each_element<4>(stream, average.count(), aligned_for_packs<4>(step.x, step.average), step);
}

void clip_norm(Stream& stream, double most, ConstView squares, View gradient) {
  require_float32(stream, gradient);
  const ClipNorm step{most, squares.as<float>(), gradient.as<float>()};
  each_element<4>(stream, gradient.count(), aligned_for_packs<4>(step.gradient), step);
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
