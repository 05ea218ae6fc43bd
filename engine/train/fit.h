// fit: the only training loop. It trains, evaluates and keeps the state that a run needs to go on bit for bit; everything
// else (progress, history file, checkpoints, best weights, reports) observes it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/train/history.h"
#include "engine/train/train_step.h"

namespace tessera {

// Where a run stands, weights and optimiser memory aside.
struct FitState {
  std::int64_t epoch = 0;     // epochs finished
  std::int64_t position = 0;  // samples of the current epoch that have been trained on
  std::int64_t step = 0;      // optimiser steps done
  double row_seconds = 0;     // spent in the training steps of the row under way
  kernels::Metrics metrics;   // of the row under way
  kernels::StepGuard guard;
  std::optional<double> best;  // best value so far by the recipe's rule
  std::vector<HistoryRow> history;
};

struct FitPlan {
  std::int64_t batch_size = 32;
  std::int64_t epochs = 1;                // in total
  std::optional<std::int64_t> max_steps;  // in total; the run ends there, even within an epoch
  std::int64_t evaluate_every_steps = 0;  // 0: after every epoch
  double learning_rate = 0;               // the peak, where there is a schedule
  Schedule schedule = {};                 // over all epochs, whatever max_steps says
  double label_smoothing = 0;
  std::uint64_t seed = 0;
  bool shuffle = true;
  BestRule best = BestRule::last;
  LossAverage loss_average = LossAverage::by_samples;
  const std::atomic<bool>* stop = nullptr;  // polled in every step and evaluation batch
  double max_seconds = 0;                   // of training; 0: no limit. The run ends like any other, at a step boundary.
};

enum class FitEnd { finished, stopped };

class Fit;

// All callbacks come from the loop, between steps.
class FitObserver {
 public:
  virtual ~FitObserver() = default;
  virtual void on_start(const Fit&) {}
  virtual void on_step(const Fit&) {}                           // after every optimiser step
  virtual void on_evaluation(const Fit&, const HistoryRow&) {}  // after a row is complete
  virtual void on_best(const Fit&) {}                           // the weights are the best so far
  virtual void on_resumable(const Fit&) {}                      // between rows: a good moment for a checkpoint
  virtual void on_end(const Fit&, FitEnd) {}                    // finished: before the closing evaluation of a cut epoch
};

class Fit {
 public:
  // `validation` may be null. `state` is where to start: new, or of a checkpoint.
  Fit(Network& network, ParameterStore& parameters, Optimizer& optimizer, BatchSource& train, const BatchSource* validation,
      const FitPlan& plan, FitState state);

  void add(FitObserver& observer) { observers_.push_back(&observer); }

  // Trains until the plan is done or the stop flag is set. NonFiniteError after ten non-finite steps in a row.
  FitEnd run();

  const FitPlan& plan() const { return plan_; }
  std::int64_t samples() const { return train_.count(); }
  std::int64_t steps_per_epoch() const { return (train_.count() + plan_.batch_size - 1) / plan_.batch_size; }
  std::int64_t total_steps() const;
  double learning_rate(std::int64_t step) const;  // of step number `step`, from 0
  bool has_validation() const { return validation_ != nullptr; }
  double session_seconds() const;  // wall time since run() began
  std::int64_t session_steps() const { return state_.step - first_step_; }

  // A copy of the state with the device's sums in it; waits for the device.
  FitState state() const;
  const FitState& host_state() const { return state_; }     // without the sums
  Evaluation running() const;                               // of the row under way; waits for the device
  double batch_loss() const { return step_.batch_loss(); }  // of the last step, before its update; waits for the device
  std::int64_t skipped_steps() const { return step_.guard().skipped; }

 private:
  bool out_of_time() const;
  bool train_epoch();  // false: stop here
  void one_step(std::int64_t size);
  void close_row(std::int64_t epoch);
  void check_guard() const;
  template <class Call>
  void notify(Call&& call);

  Network& network_;
  ParameterStore& parameters_;
  BatchSource& train_;
  const BatchSource* validation_;
  FitPlan plan_;
  FitState state_;
  TrainStep step_;
  std::vector<FitObserver*> observers_;
  double session_start_ = 0;
  std::int64_t first_step_ = 0;
  bool interrupted_ = false;
};

}  // namespace tessera
