// softmax_cross_entropy_forward, softmax_cross_entropy_backward: formulas in kernels/slots.def.
//
// With m the row's largest logit, log Σ e^z = m + log Σ e^(z−m): no exponential overflows, and the largest is 1.
//   loss_i = log Σ e^z − (1−s)·z_label − s/k·Σz
// Loop order: row, class; threads take runs of rows. A row is read two or three times, from L1. In double: a probability
// near 1 leaves a gradient that float32 would cancel away. One exponential a logit (10 … 1000 classes): bound by arithmetic,
// and next to nothing beside the network.
#include <cmath>

#include "kernels/cpu/blocks.h"
#include "kernels/cpu/launchers.h"

namespace tessera::kernels::cpu {
namespace {

constexpr std::int64_t grain_logits = 2048;  // about 10 ns each

std::int64_t grain_rows(std::int64_t classes) { return 1 + grain_logits / std::max<std::int64_t>(classes, 1); }

// NaN wherever there is one, so that a NaN among the logits shows in the loss.
float largest(const float* z, std::int64_t classes) {
  float m = z[0];
  for (std::int64_t j = 1; j < classes; ++j) m = z[j] <= m ? m : z[j];
  return m;
}

}  // namespace

void softmax_cross_entropy_forward(Stream& stream, double smoothing, ConstView logits, ConstView labels, View losses,
                                   View mean) {
  require_float32(stream, "softmax_cross_entropy_forward", {logits, losses});
  const std::int64_t rows = logits.dims[0], classes = logits.dims[1];
  const double label_weight = 1.0 - smoothing, any_weight = smoothing / static_cast<double>(classes);
  parallel_for(stream, 0, rows, grain_rows(classes), [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const float* z = logits.as<float>() + i * classes;
      const float m = largest(z, classes);
      double exponentials = 0, deviations = 0;  // Σ e^(z−m), Σ (z−m)
      for (std::int64_t j = 0; j < classes; ++j) {
        const double deviation = static_cast<double>(z[j]) - static_cast<double>(m);
        exponentials += std::exp(deviation);
        deviations += deviation;
      }
      // The weights of a row sum to 1, so m cancels from both terms.
      const double label = static_cast<double>(z[labels.as<std::int32_t>()[i]]) - static_cast<double>(m);
      double loss = std::log(exponentials) - label_weight * label;
      if (smoothing != 0.0) loss -= any_weight * deviations;
      losses.as<float>()[i] = static_cast<float>(loss);
    }
  });
  if (mean) sum(stream, 1 / static_cast<double>(rows), losses, {mean, false});
}

void softmax_cross_entropy_backward(Stream& stream, double smoothing, ConstView logits, ConstView labels, ConstView dloss,
                                    Gradient dlogits) {
  require_float32(stream, "softmax_cross_entropy_backward", {logits, dloss, dlogits.view});
  if (!dlogits) return;
  const std::int64_t rows = logits.dims[0], classes = logits.dims[1];
  const double label_weight = 1.0 - smoothing, any_weight = smoothing / static_cast<double>(classes);
  const double factor = static_cast<double>(*dloss.as<float>()) / static_cast<double>(rows);
  // The exponentials are computed twice rather than kept: with accumulate there is no place in dlogits to keep them.
  parallel_for(stream, 0, rows, grain_rows(classes), [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const float* z = logits.as<float>() + i * classes;
      float* to = dlogits.view.as<float>() + i * classes;
      const float m = largest(z, classes);
      const auto exponential = [&](std::int64_t j) { return std::exp(static_cast<double>(z[j]) - static_cast<double>(m)); };
      double total = 0;
      for (std::int64_t j = 0; j < classes; ++j) total += exponential(j);
      const std::int64_t label = labels.as<std::int32_t>()[i];
      for (std::int64_t j = 0; j < classes; ++j) {
        const double target = (j == label ? label_weight : 0.0) + any_weight;
        const double gradient = (exponential(j) / total - target) * factor;
        to[j] = static_cast<float>(dlogits.accumulate ? static_cast<double>(to[j]) + gradient : gradient);
      }
    }
  });
}

}  // namespace tessera::kernels::cpu
