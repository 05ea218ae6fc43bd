// A tiny network and what trains it, for tests of the training loop.
#pragma once

#include <functional>

#include "engine/train/fit.h"
#include "tests/catch.h"
#include "tests/engine/devices.h"
#include "tests/engine/tiny_network.h"

namespace tessera::test {

inline constexpr std::int64_t image_count = 37, batch_size = 8, steps_per_epoch = 5;  // the last batch has 5

// Everything a run needs, and copies of what a checkpoint would hold.
struct Trainee {
  Trainee(const OptimizerOptions& config, const TinyNetwork::Options& options, bool augment = false,
          std::shared_ptr<Device> on = training_device())
      : device(std::move(on)),
        network(options),
        store(network, device, 6),
        optimizer(config),
        train(DeviceImages::upload(tiny_images(image_count, 1), device), params(augment)),
        validation(DeviceImages::upload(tiny_images(20, 2), device), params(false)) {}

  static kernels::GatherParams params(bool augment) {
    kernels::GatherParams p =
        gather_params(Normalization::cifar10, augment ? Augmentation::standard : Augmentation::none, 9);
    if (augment) p.crop_padding = 1;
    return p;
  }

  std::vector<Tensor> tensors() const {
    std::vector<Tensor> all{store.values()};
    for (const Buffer* buffer : store.buffers()) all.push_back(buffer->value());
    if (loop)
      for (const auto& [name, tensor] : loop->optimizer().memory()) all.push_back(tensor);
    return all;
  }
  std::vector<std::vector<float>> snapshot() const {
    std::vector<std::vector<float>> values;
    for (const Tensor& tensor : tensors()) values.push_back(tensor.to_host<float>());
    return values;
  }
  Fit& begin(Recipe recipe, const FitLimits& limits, FitState state, bool validate) {
    recipe.optimizer = optimizer;
    loop.emplace(network, store, recipe, train, validate ? &validation : nullptr, limits, std::move(state));
    std::size_t i = 0;
    if (!restored.empty())
      for (const Tensor& tensor : tensors()) tensor.copy_from(std::span<const float>(restored.at(i++)));
    return *loop;
  }

  std::shared_ptr<Device> device;
  TinyNetwork network;
  ParameterStore store;
  OptimizerOptions optimizer;
  ImageBatches train, validation;
  std::optional<Fit> loop;
  std::vector<std::vector<float>> restored;  // what the loop begins with; empty: initial values
};

struct Watcher : FitObserver {
  void on_step(const Fit& fit) override {
    if (after_step) after_step(fit);
  }
  void on_evaluation(const Fit&, const HistoryRow& row) override {
    rows.push_back(row);
    events += "row ";
  }
  void on_best(const Fit&) override { events += "best "; }
  void on_resumable(const Fit&) override { events += "resumable "; }
  void on_start(const Fit&) override { events += "start "; }
  void on_end(const Fit&, FitEnd end) override { events += end == FitEnd::finished ? "finished " : "stopped "; }
  std::function<void(const Fit&)> after_step;
  std::vector<HistoryRow> rows;
  std::string events;
};

struct Plan : Recipe {
  FitLimits limits;
};

inline Plan plan(std::int64_t epochs) {
  Plan p;
  p.batch_size = batch_size, p.epochs = epochs, p.seed = 21;
  return p;
}

struct Outcome {
  FitEnd end;
  FitState state;
  Watcher seen;
};

inline Outcome fit(Trainee& t, const Plan& p, FitState state = {}, std::function<void(const Fit&)> after_step = {},
                   bool validate = true) {
  Watcher watcher;
  watcher.after_step = std::move(after_step);
  Fit& loop = t.begin(p, p.limits, std::move(state), validate);
  loop.add(watcher);
  const FitEnd end = loop.run();
  return {end, loop.state(), watcher};
}

inline std::vector<std::int64_t> steps_of(const std::vector<HistoryRow>& rows) {
  std::vector<std::int64_t> steps;
  for (const HistoryRow& row : rows) steps.push_back(row.step);
  return steps;
}

// All that two runs of the same plan must have in common; times are not.
inline void check_same(const FitState& a, const FitState& b) {
  CHECK(a.epoch == b.epoch);
  CHECK(a.position == b.position);
  CHECK(a.step == b.step);
  CHECK(a.best == b.best);
  REQUIRE(a.history.size() == b.history.size());
  for (std::size_t i = 0; i < a.history.size(); ++i) {
    INFO("row " << i);
    const HistoryRow &x = a.history[i], &y = b.history[i];
    CHECK(x.epoch == y.epoch);
    CHECK(x.step == y.step);
    CHECK(x.train.loss == y.train.loss);
    CHECK(x.train.accuracy == y.train.accuracy);
    CHECK(x.train.samples == y.train.samples);
    REQUIRE(x.validation.has_value() == y.validation.has_value());
    if (x.validation) CHECK(x.validation->loss == y.validation->loss);
  }
}

}  // namespace tessera::test
