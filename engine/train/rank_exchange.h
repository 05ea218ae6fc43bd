// What the ranks of a run hand each other in a training step (train_step.h): gradients, losses, what their parts did to the
// buffers, and the sums of metrics.
//
// All ranks end with the same numbers, those of one process that has all parts: gradients and metrics are added in the order
// of the parts here; losses and buffers are gathered, and added by the same kernels as there.
#pragma once

#include <optional>

#include "engine/train/gradient_exchange.h"

namespace tessera {

class RankExchange {
 public:
  // Of steps of at most `parts` parts. ShapeError where the parameters are not float32.
  RankExchange(Communicator& ranks, const ParameterStore& parameters, std::int64_t parts, const WireOptions& wire = {});

  // One part a rank: part first + r is rank r's, and counts where it has images.
  struct Round {
    std::vector<bool> counts;
    std::int64_t first;
    bool last;  // of the step
  };
  // This rank's part of a round begins: GradientExchange.
  void begin(const Round& round, const GradientExchange::Ranges* expected) {
    gradients_.begin(round.counts, round.last, expected);
  }
  void on_leaf(const GradNode& leaf) { gradients_.on_leaf(leaf); }
  // It is over: the metrics and the loss of it alone; its gradients are in the store's ranges, what it added to the buffers in
  // the store's buffers. Behind the last round the store has the gradients' sum, and what follows is there. Waits for the device.
  void finish(const Round& round, const kernels::Metrics& metrics, const Tensor& loss,
              const GradientExchange::Ranges& ranges);

  // Of a part, on the device, at addresses that stay.
  Tensor loss_of(std::int64_t part) const { return losses_.slice(part * slot, {1}); }
  Tensor buffers_of(std::int64_t part) const;

  const kernels::Metrics& metrics() const { return metrics_; }  // of all ranks, since the last set
  void set_metrics(const kernels::Metrics& metrics) { metrics_ = metrics; }
  // The first whose loss was not finite, since the last step where all were.
  std::optional<int> non_finite_rank() const { return non_finite_rank_; }

 private:
  // Elements between losses: kernels want aligned memory.
  static constexpr std::int64_t slot = 64;

  Communicator& ranks_;
  const ParameterStore& parameters_;
  Tensor losses_, buffers_;  // [parts, slot], [parts, those of the store]
  kernels::Metrics metrics_;
  std::optional<int> non_finite_rank_;
  bool all_finite_ = true;  // in the rounds of this step

  std::vector<std::byte> message_, messages_;
  GradientExchange gradients_;
};

}  // namespace tessera
