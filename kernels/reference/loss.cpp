// Reference losses and metrics.
#include <algorithm>

#include "kernels/reference/activation.h"
#include "kernels/reference/real.h"
#include "kernels/reference/slots.h"

namespace tessera::kernels::reference {
namespace {

// log Σ_j e^{z_j}, from the largest logit so that nothing overflows.
template <class T>
double log_sum_exp(const T* z, std::int64_t k) {
  const double largest = *std::max_element(z, z + k);
  double total = 0;
  for (std::int64_t j = 0; j < k; ++j) total += std::exp(z[j] - largest);
  return largest + std::log(total);
}

double target(std::int64_t j, std::int32_t label, double smoothing, std::int64_t k) {
  return (j == label ? 1 - smoothing : 0) + smoothing / static_cast<double>(k);
}

// Samples that come before the label's when sorted by logit, largest first.
template <class T>
std::int64_t rank_of_label(const T* z, std::int64_t k, std::int32_t label) {
  if (std::isnan(z[label])) return k - 1;
  std::int64_t before = 0;
  for (std::int64_t j = 0; j < k; ++j)
    if (z[j] > z[label] || std::isnan(z[j]) || (z[j] == z[label] && j < label)) ++before;
  return before;
}

}  // namespace

void softmax_cross_entropy_forward(Stream& stream, double smoothing, ConstView logits, ConstView labels, View losses,
                                   View mean) {
  with_real("softmax_cross_entropy_forward", logits.dtype, [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t n = logits.dims[0], k = logits.dims[1];
    for (std::int64_t i = 0; i < n; ++i) {
      const T* z = logits.as<T>() + i * k;
      double loss = log_sum_exp(z, k);
      for (std::int64_t j = 0; j < k; ++j) loss -= target(j, labels.as<std::int32_t>()[i], smoothing, k) * z[j];
      write(losses.as<T>()[i], loss, false);
    }
  });
  if (mean) sum(stream, 1 / static_cast<double>(losses.count()), losses, {mean, false});
}

void softmax_cross_entropy_backward(Stream&, double smoothing, ConstView logits, ConstView labels, ConstView dloss,
                                    Gradient dlogits) {
  with_real("softmax_cross_entropy_backward", logits.dtype, [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t n = logits.dims[0], k = logits.dims[1];
    const double factor = *dloss.as<T>() / static_cast<double>(n);
    for (std::int64_t i = 0; i < n; ++i) {
      const T* z = logits.as<T>() + i * k;
      const double normaliser = log_sum_exp(z, k);
      for (std::int64_t j = 0; j < k; ++j) {
        const double probability = std::exp(z[j] - normaliser);
        write(dlogits.view.as<T>()[i * k + j],
              (probability - target(j, labels.as<std::int32_t>()[i], smoothing, k)) * factor, dlogits.accumulate);
      }
    }
  });
}

void sigmoid_cross_entropy_forward(Stream&, double smoothing, ConstView logits, ConstView labels, View losses) {
  with_real("sigmoid_cross_entropy_forward", logits.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t i = 0; i < logits.dims[0]; ++i) {
      const double z = logits.as<T>()[i], t = (1 - smoothing) * labels.as<std::int32_t>()[i] + smoothing / 2;
      write(losses.as<T>()[i], activate(Activation::relu, z) - z * t + std::log1p(std::exp(-std::abs(z))), false);
    }
  });
}

void sigmoid_cross_entropy_backward(Stream&, double smoothing, ConstView logits, ConstView labels, ConstView dloss,
                                    Gradient dlogits) {
  with_real("sigmoid_cross_entropy_backward", logits.dtype, [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t n = logits.dims[0];
    for (std::int64_t i = 0; i < n; ++i) {
      const double probability = activate(Activation::sigmoid, logits.as<T>()[i]);
      const double t = (1 - smoothing) * labels.as<std::int32_t>()[i] + smoothing / 2;
      write(dlogits.view.as<T>()[i], (probability - t) * *dloss.as<T>() / static_cast<double>(n), dlogits.accumulate);
    }
  });
}

void label_weights(Stream&, bool rest, ConstView class_weights, ConstView share, ConstView labels, View weights) {
  with_real("label_weights", weights.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t i = 0; i < labels.count(); ++i) {
      double weight = class_weights ? class_weights.as<T>()[labels.as<std::int32_t>()[i]] : 1;
      if (share) weight *= rest ? 1 - share.as<T>()[i] : share.as<T>()[i];
      write(weights.as<T>()[i], weight, false);
    }
  });
}

void classification_metrics(Stream&, double part, ConstView logits, ConstView labels, ConstView loss, Metrics* metrics) {
  with_real("classification_metrics", logits.dtype, [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t n = logits.dims[0], k = logits.dims[1];
    for (std::int64_t i = 0; i < n; ++i) {
      const T* z = logits.as<T>() + i * k;
      const std::int32_t label = labels.as<std::int32_t>()[i];
      const bool binary = k == 1;
      const std::int64_t rank = binary ? 0 : rank_of_label(z, k, label);
      const bool correct = binary ? (z[0] > 0) == (label != 0) : rank == 0;
      metrics->correct += correct;
      metrics->correct_top5 += binary ? correct : rank < 5;
    }
    const double batch_loss = *loss.as<T>();
    metrics->loss_sum += batch_loss * static_cast<double>(n);
    metrics->batch_loss_sum += part * batch_loss;
    metrics->samples += static_cast<double>(n);
    metrics->batches += part;
  });
}

}  // namespace tessera::kernels::reference
