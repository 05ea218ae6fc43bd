#include "engine/train/rank_exchange.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "engine/train/evaluate.h"

namespace tessera {
namespace {

// What a rank tells of its part; what the part did to the buffers follows it.
struct Told {
  kernels::Metrics metrics;
  float loss;
};

}  // namespace

RankExchange::RankExchange(Communicator& ranks, const ParameterStore& parameters, std::int64_t parts,
                           const WireOptions& wire)
    : ranks_(ranks), parameters_(parameters), gradients_(ranks, parameters, wire) {
  losses_ = Tensor::zeros(parameters.device(), {parts, slot}, DType::f32);
  const Tensor& buffers = parameters.buffer_values();
  if (buffers.count() > 0) buffers_ = Tensor::zeros(parameters.device(), {parts, buffers.count()}, DType::f32);
  message_.resize(sizeof(Told) + buffers.bytes());
  messages_.resize(message_.size() * static_cast<std::size_t>(ranks.size()));
}

Tensor RankExchange::buffers_of(std::int64_t part) const {
  const std::int64_t count = parameters_.buffer_values().count();
  return buffers_.slice(part * count, {count});
}

void RankExchange::finish(const Round& round, const kernels::Metrics& metrics, const Tensor& loss,
                          const GradientExchange::Ranges& ranges) {
  Device& device = *parameters_.device();
  const Tensor& buffers = parameters_.buffer_values();
  const Told own{metrics, loss.to_host<float>().at(0)};
  std::memcpy(message_.data(), &own, sizeof own);
  if (buffers.count() > 0) device.download(message_.data() + sizeof own, buffers.data(), buffers.bytes());
  ranks_.all_gather(message_, messages_);
  for (std::size_t r = 0; r < round.counts.size(); ++r) {
    if (!round.counts[r]) continue;
    const std::byte* const message = messages_.data() + r * message_.size();
    Told told;
    std::memcpy(&told, message, sizeof told);
    add_metrics(metrics_, told.metrics);
    if (!std::isfinite(told.loss)) {
      all_finite_ = false;
      if (!non_finite_rank_) non_finite_rank_ = static_cast<int>(r);
    }
    const std::int64_t part = round.first + static_cast<std::int64_t>(r);
    loss_of(part).copy_from(std::span<const float>(&told.loss, 1));
    if (buffers.count() > 0) device.upload(buffers_of(part).data(), message + sizeof told, buffers.bytes());
  }

  gradients_.finish(ranges);
  if (round.last && std::exchange(all_finite_, true)) non_finite_rank_.reset();
}

}  // namespace tessera
