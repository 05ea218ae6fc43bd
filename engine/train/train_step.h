// One optimisation step: gather, forward, loss, backward, update, metrics. Fixed shapes, no wait for the device; on devices
// that can, recorded once for each batch size and replayed from then on (recorded_work.h).
#pragma once

#include <map>
#include <optional>
#include <tuple>

#include "engine/core/recorded_work.h"
#include "engine/nn/network.h"
#include "engine/optim/optimizer.h"
#include "engine/train/evaluate.h"
#include "engine/train/optimizer_shares.h"
#include "engine/train/rank_exchange.h"
#include "engine/train/rank_shares.h"
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
  // More than one rank: they share the parts, of which there is then at least one a rank; part k is rank k mod N's. All end
  // a step with the same values, the same as one process that has so many parts.
  Communicator* ranks = nullptr;
  // With more ranks than one: batch norm normalises by the statistics of the whole batch, and its running statistics move by
  // them. UsageError where the ranks have more than one part each. Such steps wait for the other ranks in every batch norm,
  // and are not recorded.
  bool sync_batch_norm = false;
  WireOptions wire = {};
  // With more ranks than one, where the optimiser moves this rank's share alone. UsageError with clip_norm, which takes all
  // gradients together. The update is then not recorded.
  OptimizerShares* optimizer_shares = nullptr;
};

// As a recipe says. UsageError: its class weights are not numbers yet (ClassWeights::resolved).
StepOptions step_options(const Recipe& recipe, const std::shared_ptr<Device>& device, const WeightAverage* average = nullptr,
                         Communicator* ranks = nullptr, std::optional<std::int64_t> bucket_bytes = {});

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
  // What the device has summed up since the last set, of all ranks; waits for it.
  kernels::Metrics metrics() const { return exchange_ ? exchange_->metrics() : metrics_.get(); }
  kernels::StepGuard guard() const;
  void set_metrics(const kernels::Metrics& metrics) { exchange_ ? exchange_->set_metrics(metrics) : metrics_.set(metrics); }
  void set_guard(const kernels::StepGuard& guard);
  // The first rank whose loss was not finite since the last step where all were; none: all were, or there is one rank.
  std::optional<int> non_finite_rank() const { return exchange_ ? exchange_->non_finite_rank() : std::nullopt; }

  // Every step as it is, none recorded: to compare with.
  void never_record() { record_ = false; }

 private:
  struct Part {
    std::int64_t number, first, size;
    double share;  // of the batch
    double seed;   // of backward(), by the part's mean loss
  };
  std::vector<Part> parts_of(std::int64_t size) const;  // those that have images
  void prepare(const kernels::StepState& state, const Part& part);
  void issue(std::int64_t size, Tensor& loss);
  Tensor pass(const Part& part, const OnLeaf& on_leaf = {});  // its loss; gradients are in the store
  void add_up(const std::vector<Part>& parts, Tensor& loss);  // of all of them
  void clip();
  void update();  // with the gradients that are in the store

  void run_shared(const kernels::StepState& state, std::int64_t size, int variant);
  Tensor pass_own(const Part& part, bool first);            // leaves what it added to the buffers in them
  void join(const std::vector<Part>& parts, Tensor& loss);  // of all ranks' parts: loss and buffers

  struct Recorded {
    Recorded(const std::shared_ptr<Device>& device, const std::shared_ptr<MemoryPool>& pool) : work(device, pool) {}
    RecordedWork work;
    Tensor loss;
    std::vector<ParameterStore::Range> ranges;  // with a gradient, where the work makes them
  };
  // Of one batch size and variant; a shared step is a pass a round, and the rest.
  static constexpr int whole = -1;
  Recorded& recorded(std::int64_t size, int variant, int round = whole);
  template <class Work>
  void run_recorded(Recorded& recorded, const Work& work);

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
  std::shared_ptr<MemoryPool> pool_;  // of all recorded steps
  std::map<std::tuple<std::int64_t, int, int>, Recorded> recorded_;
  std::optional<RankShares> shares_;      // of batch norm's statistics, where they are joined
  std::optional<RankExchange> exchange_;  // with other ranks, where there are any
};

}  // namespace tessera
