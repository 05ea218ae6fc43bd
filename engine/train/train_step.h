// One optimisation step: gather, forward, loss, backward, update, metrics. Fixed shapes, no wait for the device; on devices
// that can, recorded once for each batch size and replayed from then on (recorded_work.h).
#pragma once

#include <map>

#include "engine/core/recorded_work.h"
#include "engine/nn/network.h"
#include "engine/optim/optimizer.h"
#include "engine/train/evaluate.h"

namespace tessera {

class TrainStep {
 public:
  TrainStep(Network& network, ParameterStore& parameters, Optimizer& optimizer, const BatchSource& batches,
            std::uint64_t seed, double label_smoothing, bool summed_loss = false);

  // Trains on `size` samples from state.position on. A step whose gradients are not finite changes no parameter.
  // The network and the order's tensor must stay what they were in the first run; and of each variant, by a number of the
  // caller's, the parameters that train.
  void run(const kernels::StepState& state, std::int64_t size, int variant = 0);

  // The loss of the last run()'s batch, before its update; waits for the device.
  double batch_loss() const;
  // What the device has summed up since the last set; waits for it.
  kernels::Metrics metrics() const { return metrics_.get(); }
  kernels::StepGuard guard() const;
  void set_metrics(const kernels::Metrics& metrics) { metrics_.set(metrics); }
  void set_guard(const kernels::StepGuard& guard);

  // Every step as it is, none recorded: to compare with.
  void never_record() { record_ = false; }

 private:
  void issue(std::int64_t size, Tensor& loss);

  struct Recorded {
    Recorded(const std::shared_ptr<Device>& device, const std::shared_ptr<MemoryPool>& pool) : work(device, pool) {}
    RecordedWork work;
    Tensor loss;
  };

  Network& network_;
  ParameterStore& parameters_;
  Optimizer& optimizer_;
  const BatchSource& batches_;
  std::uint64_t seed_;
  double label_smoothing_;
  bool summed_loss_;
  StepStateBuffer state_;
  MetricSums metrics_;
  Tensor guard_, loss_;
  bool record_ = true;
  std::map<std::int64_t, Tensor> seeds_;  // by batch size: the loss's gradient with respect to the mean over the batch
  std::shared_ptr<MemoryPool> pool_;      // of all recorded steps
  std::map<std::pair<std::int64_t, int>, Recorded> recorded_;  // by batch size and variant
};

}  // namespace tessera
