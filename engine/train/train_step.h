// One optimisation step: gather, forward, loss, backward, update, metrics. Fixed shapes, no wait for the device.
#pragma once

#include "engine/nn/network.h"
#include "engine/optim/optimizer.h"
#include "engine/train/batches.h"

namespace tessera {

class TrainStep {
 public:
  TrainStep(Network& network, ParameterStore& parameters, Optimizer& optimizer, const BatchSource& images,
            std::uint64_t seed, double label_smoothing);

  // Trains on `size` samples from state.position on. A step whose gradients are not finite changes no parameter.
  void run(const kernels::StepState& state, std::int64_t size);

  // The loss of the last run()'s batch, before its update; waits for the device.
  double batch_loss() const;
  // What the device has summed up since the last set; waits for it.
  kernels::Metrics metrics() const;
  kernels::StepGuard guard() const;
  void set_metrics(const kernels::Metrics& metrics);
  void set_guard(const kernels::StepGuard& guard);

 private:
  Network& network_;
  ParameterStore& parameters_;
  Optimizer& optimizer_;
  const BatchSource& images_;
  std::uint64_t seed_;
  double label_smoothing_;
  StepStateBuffer state_;
  Tensor metrics_, guard_, one_, loss_;
};

}  // namespace tessera
