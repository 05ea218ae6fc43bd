// With t = (1 − s)·label + s/2, s the label smoothing:
// sigmoid_cross_entropy_forward: loss = max(z, 0) − z·t + log(1 + e^−|z|), from which nothing overflows or cancels;
// sigmoid_cross_entropy_backward: dz (+)= (sigmoid(z) − t)·dloss/n.
//
// One logit a sample: a batch is a few hundred operations, so one thread does it, in double.
#include <cmath>

#include "kernels/cpu/blocks.h"
#include "kernels/cpu/launchers.h"

namespace tessera::kernels::cpu {
namespace {

double target(std::int32_t label, double smoothing) {
  return (1.0 - smoothing) * static_cast<double>(label) + smoothing / 2.0;
}

}  // namespace

void sigmoid_cross_entropy_forward(Stream& stream, double smoothing, ConstView logits, ConstView labels, View losses) {
  require_float32(stream, "sigmoid_cross_entropy_forward", {logits, losses});
  for (std::int64_t i = 0; i < logits.dims[0]; ++i) {
    const double z = static_cast<double>(logits.as<float>()[i]);
    const double t = target(labels.as<std::int32_t>()[i], smoothing);
    const double positive = z < 0.0 ? 0.0 : z;  // NaN stays NaN
    losses.as<float>()[i] = static_cast<float>(positive - z * t + std::log1p(std::exp(-std::abs(z))));
  }
}

void sigmoid_cross_entropy_backward(Stream& stream, double smoothing, ConstView logits, ConstView labels, ConstView dloss,
                                    Gradient dlogits) {
  require_float32(stream, "sigmoid_cross_entropy_backward", {logits, dloss, dlogits.view});
  if (!dlogits) return;
  const std::int64_t count = logits.dims[0];
  const double factor = static_cast<double>(*dloss.as<float>()) / static_cast<double>(count);
  float* to = dlogits.view.as<float>();
  for (std::int64_t i = 0; i < count; ++i) {
    const double z = static_cast<double>(logits.as<float>()[i]);
    const double t = target(labels.as<std::int32_t>()[i], smoothing);
    const double gradient = (1.0 / (1.0 + std::exp(-z)) - t) * factor;
    to[i] = static_cast<float>(dlogits.accumulate ? static_cast<double>(to[i]) + gradient : gradient);
  }
}

}  // namespace tessera::kernels::cpu
