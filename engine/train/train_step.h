// One optimisation step: gather, forward, loss, backward, update, metrics. Fixed shapes, no wait for the device; on devices
// that can, recorded once for each batch size and replayed from then on (recorded_work.h).
#pragma once

#include <map>

#include "engine/core/recorded_work.h"
#include "engine/nn/network.h"
#include "engine/optim/optimizer.h"
#include "engine/train/evaluate.h"
#include "engine/train/weight_average.h"

namespace tessera {

// What a step does besides.
struct StepOptions {
  std::uint64_t seed = 0;  // of dropout
  double label_smoothing = 0;
  bool summed_loss = false;                // gradients are those of the batch's sum of losses
  Tensor class_weights = {};               // Context
  std::optional<double> clip_norm = {};    // the longest that the gradient of all parameters together may be
  const WeightAverage* average = nullptr;  // is moved behind the optimiser
  // Part k of N of a batch of B, images ⌊k·B/N⌋ … ⌊(k+1)·B/N⌋ − 1, passes through the network by itself, one after another:
  // batch norm normalises each part by its own statistics, dropout draws anew in each, and images are mixed within one. The
  // loss and its gradient are the whole batch's, the parts' added in their order; so are the running statistics, which move
  // once, by the means over the parts weighted by their images. A part without images adds nothing.
  std::int64_t accumulate = 1;
};

// As a recipe says. UsageError: its class weights are not numbers yet (ClassWeights::resolved).
StepOptions step_options(const Recipe& recipe, const std::shared_ptr<Device>& device,
                         const WeightAverage* average = nullptr);

class TrainStep {
 public:
  TrainStep(Network& network, ParameterStore& parameters, Optimizer& optimizer, const BatchSource& batches,
            StepOptions options);

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
  struct Part {
    std::int64_t number, first, size;
    double share;  // of the batch
    double seed;   // of backward(), by the part's mean loss
  };
  std::vector<Part> parts_of(std::int64_t size) const;  // those that have images
  void issue(std::int64_t size, Tensor& loss);
  Tensor pass(const Part& part);                              // its loss; gradients are in the store
  void add_up(const std::vector<Part>& parts, Tensor& loss);  // of all of them
  void clip();

  struct Recorded {
    Recorded(const std::shared_ptr<Device>& device, const std::shared_ptr<MemoryPool>& pool) : work(device, pool) {}
    RecordedWork work;
    Tensor loss;
  };

  Network& network_;
  ParameterStore& parameters_;
  Optimizer& optimizer_;
  const BatchSource& batches_;
  StepOptions options_;
  StepStateBuffer state_;
  MetricSums metrics_;
  Tensor guard_, loss_;
  std::map<double, Tensor> seeds_;              // of backward(), by their value
  Tensor gradient_sum_, buffers_, buffer_sum_;  // of parts
  bool record_ = true;
  std::shared_ptr<MemoryPool> pool_;                           // of all recorded steps
  std::map<std::pair<std::int64_t, int>, Recorded> recorded_;  // by batch size and variant
};

}  // namespace tessera
