// Sigmoid and binary cross entropy in one; logits z: [n, 1], labels: int32 [n], 0 or 1; t = (1 − s)·label + s/2 with s the
// label smoothing.
//
//   forward   losses[i] = max(z, 0) − z·t + log(1 + e^−|z|)       (no exponential of a positive number: no overflow)
//   backward  dlogits_i (+)= (sigmoid(z_i) − t_i) · dloss / n
//
// One element per thread, striding over the grid. 12 bytes per element; n is a batch, so a launch takes longer than its
// work.
#include "kernels/cuda/elements.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

__device__ inline float target(std::int32_t label, float smoothing) {
  return (1.0f - smoothing) * static_cast<float>(label) + 0.5f * smoothing;
}

struct Forward {
  float smoothing;
  const float* logits;
  const std::int32_t* labels;
  float* losses;

  template <int width>
  __device__ void operator()(std::int64_t i) const {
    const float z = logits[i], t = target(labels[i], smoothing);
    losses[i] = (z < 0.0f ? 0.0f : z) - z * t + log1pf(expf(-fabsf(z)));
  }
};

struct Backward {
  float smoothing;
  const float* logits;
  const std::int32_t* labels;
  const float* dloss;
  float* dlogits;
  float n;
  bool accumulate;

  template <int width>
  __device__ void operator()(std::int64_t i) const {
    const float sigmoid = 1.0f / (1.0f + expf(-logits[i]));
    store(dlogits + i, Pack<1>{{(sigmoid - target(labels[i], smoothing)) * (*dloss / n)}}, accumulate);
  }
};

}  // namespace

void sigmoid_cross_entropy_forward(Stream& stream, double smoothing, ConstView logits, ConstView labels, View losses) {
  require_float32(stream, logits);
  each_element<1>(stream, logits.count(), false,
                  Forward{static_cast<float>(smoothing), logits.as<float>(), labels.as<std::int32_t>(), losses.as<float>()});
}

void sigmoid_cross_entropy_backward(Stream& stream, double smoothing, ConstView logits, ConstView labels, ConstView dloss,
                                    Gradient dlogits) {
  require_float32(stream, logits);
  each_element<1>(stream, logits.count(), false,
                  Backward{static_cast<float>(smoothing), logits.as<float>(), labels.as<std::int32_t>(), dloss.as<float>(),
                           dlogits.view.as<float>(), static_cast<float>(logits.count()), dlogits.accumulate});
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
