// fit: the only training loop. It trains, evaluates and keeps the state that a run needs to go on bit for bit; everything
// else (progress, history file, checkpoints, best weights, reports) observes it.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/train/history.h"
#include "engine/train/pace.h"
#include "engine/train/recipe.h"
#include "engine/train/statistics_lag.h"
#include "engine/train/train_step.h"

namespace tessera {

// Where a run stands, weights and optimiser memory aside.
struct FitState {
  std::int64_t epoch = 0;     // epochs finished
  std::int64_t position = 0;  // samples of the current epoch that have been trained on
  std::int64_t step = 0;      // optimiser steps done
  double seconds = 0;         // of all sessions, validation included
  double row_seconds = 0;     // spent in the training steps of the row under way
  kernels::Metrics metrics;   // of the row under way
  kernels::StepGuard guard;
  std::optional<double> best;  // best value so far by the recipe's rule
  std::optional<Pace> pace;    // of a run with a limit of time
  std::vector<HistoryRow> history;
};

// What ends a run besides its recipe, and where it begins.
struct FitLimits {
  std::optional<std::int64_t> max_steps = {};  // in total; the run ends there, even within an epoch
  // Of training, all sessions together; 0: no limit. The schedule comes to its end when the time does (pace.h), and the run
  // ends like any other, at a step boundary.
  double max_seconds = 0;
  const std::atomic<bool>* stop = nullptr;  // polled in every step and evaluation batch
  std::int64_t epochs_before = 0;           // of earlier phases: epochs and steps are counted on from theirs
  std::function<double()> clock = {};       // seconds; empty: the machine's
  // Those who train along (StepOptions, EvaluateOptions); each must be given the same. A stop that one of them has seen is
  // everybody's, and time is rank 0's.
  Communicator* ranks = nullptr;
  std::optional<std::int64_t> bucket_bytes = {};  // of the gradients that they exchange (WireOptions)
  bool shard_optimizer = false;                   // each of them keeps its share of what the optimiser remembers
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
  // The weights are the best so far. Where that throws, or the evaluation before it did, the run ends as if it had been
  // stopped before the row was closed: on_end(stopped) sees a state from which a resumed run closes it again, and finds the
  // same best weights. (Not where ranks share the optimiser's memory, which one alone cannot save.)
  virtual void on_best(const Fit&) {}
  virtual void on_resumable(const Fit&) {}    // between rows: a good moment for a checkpoint
  virtual void on_end(const Fit&, FitEnd) {}  // finished: before the closing evaluation of a cut epoch
};

class Fit {
 public:
  // Trains as the recipe says (of which the data's part, normalization to classes, is the caller's, and class weights are
  // numbers, ClassWeights::resolved), with an optimiser of
  // its own. `validation` may be null: UsageError where the recipe's patience counts evaluations on it. `state` is where to
  // start: new, or of a checkpoint.
  Fit(Network& network, ParameterStore& parameters, const Recipe& recipe, BatchSource& train, const BatchSource* validation,
      const FitLimits& limits = {}, FitState state = {});

  void add(FitObserver& observer) { observers_.push_back(&observer); }

  // Trains until the recipe is done, its patience over, a limit reached or the stop flag set. NonFiniteError after ten
  // non-finite steps in a row, or at the end of a run that was shorter than that and ended in one.
  FitEnd run();

  const Recipe& recipe() const { return recipe_; }
  const FitLimits& limits() const { return limits_; }
  Optimizer& optimizer() { return *optimizer_; }
  const Optimizer& optimizer() const { return *optimizer_; }
  // What the optimiser remembers. Where ranks share that, all call this together, and rank 0 has the whole.
  std::map<std::string, Tensor> optimizer_memory() const {
    return shares_ ? shares_->gather_memory(*optimizer_) : optimizer_->memory();
  }
  bool shares_optimizer() const { return shares_.has_value(); }
  const WeightAverage* average() const { return average_ ? &*average_ : nullptr; }  // where the recipe has one
  std::int64_t samples() const { return train_.count(); }
  // Of a step, of an epoch. Where the last batch is dropped, fewer images than a batch make one of all.
  std::int64_t batch_size() const {
    return recipe_.drop_last ? std::min(recipe_.batch_size, samples()) : recipe_.batch_size;
  }
  std::int64_t epoch_samples() const { return recipe_.drop_last ? samples() - samples() % batch_size() : samples(); }
  std::int64_t steps_per_epoch() const { return (epoch_samples() + batch_size() - 1) / batch_size(); }
  std::int64_t last_epoch() const { return limits_.epochs_before + recipe_.epochs; }  // how many there are in total
  std::int64_t total_steps() const;                                                   // when the run is over
  bool has_validation() const { return validation_ != nullptr; }
  double session_seconds() const;  // wall time since run() began
  double seconds() const { return state_.seconds + session_seconds(); }
  std::int64_t evaluations_without_better() const;  // of the recipe's rule, or of validation loss where that is `last`
  bool out_of_patience() const { return recipe_.patience && evaluations_without_better() >= *recipe_.patience; }
  std::int64_t session_steps() const { return state_.step - first_step_; }

  // A copy of the state with the device's sums in it; waits for the device.
  FitState state() const;
  const FitState& host_state() const { return state_; }     // without the sums
  Evaluation running() const;                               // of the row under way; waits for the device
  double batch_loss() const { return step_.batch_loss(); }  // of the last step, before its update; waits for the device
  double statistics_lag() const { return tessera::statistics_lag(network_, state_.step); }  // of a run from initial values
  std::int64_t skipped_steps() const { return step_.guard().skipped; }

 private:
  StepOptions own_step_options();
  double now() const;
  std::int64_t schedule_steps() const;                   // whatever max_steps says
  std::int64_t steps_left() const;                       // to the end of the last epoch
  ScheduleTime schedule_time(std::int64_t ahead) const;  // of the next step (0) or the one just done (−1)
  double score(const HistoryRow& row) const;             // by which rows are compared: higher is better
  void keep_pace();
  bool out_of_time() const;
  bool stop_asked() const;
  double agreed(double own) const;  // rank 0's
  bool train_epoch();               // false: stop here
  void one_step(std::int64_t size);
  void close_row(std::int64_t epoch);
  void finish_row(HistoryRow& row);
  void give_row_back(const FitState& before);
  void check_guard(std::int32_t patience) const;
  template <class Call>
  void notify(Call&& call);

  Network& network_;
  ParameterStore& parameters_;
  BatchSource& train_;
  const BatchSource* validation_;
  Recipe recipe_;
  FitLimits limits_;
  std::optional<OptimizerShares> shares_;
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<WeightAverage> average_;
  FitState state_;
  TrainStep step_;
  std::vector<FitObserver*> observers_;
  double session_start_ = 0;
  double measured_from_ = 0;    // seconds of the session at which its first steps were done
  std::vector<double> losses_;  // of the evaluations so far, where a schedule may ask for them
  std::int64_t first_step_ = 0;
  bool interrupted_ = false;
  unsigned resting_ = 0;  // groups of parameters whose epochs are over, a bit each
};

}  // namespace tessera
