// classification_metrics: adds a batch's loss and hits to the running totals, see kernels/slots.def.
//
// The label's rank is counted, not sorted for: one comparison a logit. A batch of 128 × 10 takes a microsecond, so one
// thread does it; the totals are counts in double, exact up to 2^53.
#include <cmath>

#include "kernels/cpu/blocks.h"
#include "kernels/cpu/launchers.h"

namespace tessera::kernels::cpu {
namespace {

// How many logits come before the label's, largest first; equal ones in order of their index, NaN before all numbers, but a
// NaN at the label itself last.
std::int64_t rank_of_label(const float* z, std::int64_t classes, std::int64_t label) {
  const float own = z[label];
  if (std::isnan(own)) return classes - 1;
  std::int64_t rank = 0;
  for (std::int64_t j = 0; j < label; ++j) rank += !(z[j] < own);
  for (std::int64_t j = label + 1; j < classes; ++j) rank += !(z[j] <= own);
  return rank;
}

}  // namespace

void classification_metrics(Stream& stream, double part, ConstView logits, ConstView labels, ConstView loss,
                            Metrics* metrics) {
  require_float32(stream, "classification_metrics", {logits, loss});
  const std::int64_t rows = logits.dims[0], classes = logits.dims[1];
  std::int64_t correct = 0, correct_top5 = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    const float* z = logits.as<float>() + i * classes;
    const std::int32_t label = labels.as<std::int32_t>()[i];
    if (classes == 1) {
      const bool hit = (z[0] > 0.0f) == (label != 0);
      correct += hit;
      correct_top5 += hit;
    } else {
      const std::int64_t rank = rank_of_label(z, classes, label);
      correct += rank == 0;
      correct_top5 += rank < 5;
    }
  }
  const double batch_loss = static_cast<double>(*loss.as<float>()), samples = static_cast<double>(rows);
  metrics->loss_sum += batch_loss * samples;
  metrics->batch_loss_sum += part * batch_loss;
  metrics->correct += static_cast<double>(correct);
  metrics->correct_top5 += static_cast<double>(correct_top5);
  metrics->samples += samples;
  metrics->batches += part;
}

}  // namespace tessera::kernels::cpu
