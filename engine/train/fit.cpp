#include "engine/train/fit.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "engine/core/random.h"

namespace tessera {
namespace {

constexpr int patience_for_non_finite = 10;
constexpr std::int64_t unmeasured_steps = 2;  // of a session: they prepare what the others use

double loss_of(const HistoryRow& row) { return row.validation ? row.validation->loss : row.train.loss; }

Recipe completed(Recipe recipe, const ParameterStore& parameters) {
  recipe.groups = completed_groups(recipe.optimizer, parameters, recipe.groups);
  return recipe;
}

}  // namespace

Fit::Fit(Network& network, ParameterStore& parameters, const Recipe& recipe, BatchSource& train,
         const BatchSource* validation, const FitLimits& limits, FitState state)
    : network_(network),
      parameters_(parameters),
      train_(train),
      validation_(validation),
      recipe_(completed(recipe, parameters)),
      limits_(limits),
      shares_(limits.shard_optimizer && limits.ranks && limits.ranks->size() > 1
                  ? std::optional<OptimizerShares>(std::in_place, *limits.ranks, parameters)
                  : std::nullopt),
      optimizer_(make_optimizer(recipe_.optimizer, shares_ ? shares_->own() : parameters, recipe_.groups)),
      average_(recipe.ema ? std::optional<WeightAverage>(std::in_place, parameters, *recipe.ema) : std::nullopt),
      state_(std::move(state)),
      step_(network, parameters, *optimizer_, train, own_step_options()) {
  set_resting(parameters, recipe.groups, 0);  // an earlier phase's may
  if (recipe.patience && !validation)
    throw UsageError("patience counts evaluations on validation images, and this run has none");
  for (const HistoryRow& row : state_.history) losses_.push_back(loss_of(row));
  // Not of a run that is now to have another time, or more epochs than the ones it had time for.
  const auto& pace = state_.pace;
  if (pace && (pace->limit != limits_.max_seconds || (pace->whole && state_.step >= pace->end))) state_.pace.reset();
}

StepOptions Fit::own_step_options() {
  StepOptions options = step_options(recipe_, parameters_.device(), average(), limits_.ranks, limits_.bucket_bytes);
  options.optimizer_shares = shares_ ? &*shares_ : nullptr;
  return options;
}

template <class Call>
void Fit::notify(Call&& call) {
  for (FitObserver* observer : observers_) call(*observer);
}

// From where the run stands, not from its beginning: it may have begun with another batch size or other data.
std::int64_t Fit::steps_left() const {
  if (state_.epoch >= last_epoch()) return 0;
  const std::int64_t samples = std::max<std::int64_t>(epoch_samples() - state_.position, 0);
  return (samples + batch_size() - 1) / batch_size() + (last_epoch() - state_.epoch - 1) * steps_per_epoch();
}

std::int64_t Fit::total_steps() const {
  std::int64_t steps = state_.step + steps_left();
  if (state_.pace) steps = std::min(steps, std::max(state_.pace->end, state_.step));
  return limits_.max_steps ? std::min(steps, *limits_.max_steps) : steps;
}

std::int64_t Fit::schedule_steps() const { return recipe_.epochs * steps_per_epoch(); }

ScheduleTime Fit::schedule_time(std::int64_t ahead) const {
  const std::int64_t steps = schedule_steps();
  ScheduleTime time{.step = static_cast<double>(steps - steps_left() + ahead),
                    .steps = static_cast<double>(steps),
                    .steps_per_epoch = static_cast<double>(steps_per_epoch()),
                    .warmup = recipe_.warmup,
                    .losses = losses_};
  if (state_.pace) time.step = state_.pace->at(state_.step + ahead, time.steps);
  return time;
}

double Fit::now() const {
  return limits_.clock ? limits_.clock()
                       : std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double Fit::session_seconds() const { return now() - session_start_; }

FitState Fit::state() const {
  FitState copy = state_;
  copy.seconds = seconds();
  copy.metrics = step_.metrics();
  copy.guard = step_.guard();
  return copy;
}

Evaluation Fit::running() const { return to_evaluation(step_.metrics(), recipe_.loss_average); }

double Fit::agreed(double own) const {
  if (limits_.ranks) broadcast(*limits_.ranks, own);
  return own;
}

bool Fit::out_of_time() const { return limits_.max_seconds > 0 && agreed(seconds()) >= limits_.max_seconds; }

bool Fit::stop_asked() const {
  const bool own = limits_.stop && *limits_.stop;
  return limits_.ranks ? any(*limits_.ranks, own) : own;
}

// At the moments of decision the device is waited for: until then it may be behind.
void Fit::keep_pace() {
  if (limits_.max_seconds <= 0) return;
  const auto steps = static_cast<double>(schedule_steps());
  if (!state_.pace)
    state_.pace = Pace{.step = state_.step,
                       .position = steps - static_cast<double>(steps_left()),
                       .end = state_.step + steps_left(),
                       .limit = limits_.max_seconds};
  if (session_steps() == unmeasured_steps) check_guard(patience_for_non_finite), measured_from_ = session_seconds();
  if (state_.step < state_.pace->next) return;
  if (const std::int64_t measured = session_steps() - unmeasured_steps; measured > 0) {
    check_guard(patience_for_non_finite);
    state_.pace->seconds_per_step = agreed((session_seconds() - measured_from_) / static_cast<double>(measured));
  }
  if (state_.pace->seconds_per_step > 0)
    state_.pace->decide(state_.step, steps, steps_left(), limits_.max_seconds - agreed(seconds()));
}

double Fit::score(const HistoryRow& row) const {
  return recipe_.best == BestRule::highest_validation_accuracy ? row.validation->accuracy : -row.validation->loss;
}

std::int64_t Fit::evaluations_without_better() const {
  std::optional<double> best;
  std::int64_t without = 0;
  for (const HistoryRow& row : state_.history) {
    if (!row.validation) continue;
    const double value = score(row);
    ++without;
    if (std::isfinite(value) && (!best || value > *best)) best = value, without = 0;
  }
  return without;
}

FitEnd Fit::run() {
  session_start_ = now();
  first_step_ = state_.step;
  step_.set_metrics(state_.metrics);
  step_.set_guard(state_.guard);
  notify([&](FitObserver& o) { o.on_start(*this); });

  bool complete = true;
  try {
    // Where an epoch's steps are done, its row may still be missing.
    const auto is_over = [&] { return state_.position < epoch_samples() && state_.step >= total_steps(); };
    while (complete && state_.epoch < last_epoch() && !is_over() && !out_of_patience()) complete = train_epoch();
  } catch (const Interrupted&) {  // while evaluating: the epoch's steps are done, its row is not
    interrupted_ = true;
  }
  const FitEnd end = interrupted_ ? FitEnd::stopped : FitEnd::finished;
  notify([&](FitObserver& o) { o.on_end(*this, end); });
  if (end == FitEnd::finished && step_.metrics().samples > 0) close_row(state_.epoch + 1);  // a cut epoch's steps make a row
  if (end == FitEnd::finished && session_steps() > 0 && session_steps() < patience_for_non_finite) {
    if (limits_.ranks) any(*limits_.ranks, false);  // the first rank to throw ends all: not before rank 0 has saved
    check_guard(1);                                 // too short for patience: its last step must be a good one
  }
  return end;
}

bool Fit::train_epoch() {
  const std::int64_t count = train_.count();
  std::vector<std::int32_t> order(static_cast<std::size_t>(count));
  if (recipe_.shuffle)
    order = shuffled_order(count, recipe_.seed, state_.epoch);
  else
    std::iota(order.begin(), order.end(), 0);
  train_.set_order(order);

  const auto row_is_due = [&] {                  // behind the step just done
    const std::int64_t index = state_.step - 1;  // of that step, from 0
    return recipe_.evaluate_every_steps > 0 &&
           ((index > 0 && index % recipe_.evaluate_every_steps == 0) || state_.step == total_steps());
  };
  // A stop may have come while the row was being evaluated: then its sums are still there.
  if (row_is_due() && step_.metrics().samples > 0) close_row(state_.epoch + 1);

  while (state_.position < epoch_samples()) {
    if (stop_asked()) {
      interrupted_ = true;
      return false;
    }
    if (state_.step >= total_steps() || out_of_time()) return false;
    keep_pace();
    one_step(std::min(batch_size(), epoch_samples() - state_.position));
    if (row_is_due()) {
      close_row(state_.epoch + 1);
      if (out_of_patience()) return false;
    }
  }
  // A run may have ended behind the row, before the epoch was counted: then its sums are gone.
  if (recipe_.evaluate_every_steps == 0 && step_.metrics().samples > 0) close_row(state_.epoch + 1);
  ++state_.epoch;
  state_.position = 0;
  notify([&](FitObserver& o) { o.on_resumable(*this); });
  return true;
}

void Fit::one_step(std::int64_t size) {
  const double start = now();
  kernels::StepState step{.step = state_.step, .epoch = state_.epoch, .position = state_.position};
  const ScheduleTime time = schedule_time(0);
  set_learning_rates(step, recipe_.optimizer, recipe_.schedule, recipe_.groups, time);
  if (const unsigned over = groups_over(recipe_.groups, time); over != resting_) {
    set_resting(parameters_, recipe_.groups, over);
    resting_ = over;
  }
  step_.run(step, size, static_cast<int>(resting_));
  state_.position += size;
  ++state_.step;
  // On the CPU the step is over; a GPU is asked now and then only, so that it never waits for us.
  const bool host_memory = parameters_.device()->backend().runtime.host_memory;
  if (host_memory || state_.step % 64 == 0) check_guard(patience_for_non_finite);
  state_.row_seconds += now() - start;
  notify([&](FitObserver& o) { o.on_step(*this); });
}

void Fit::check_guard(std::int32_t patience) const {
  const kernels::StepGuard guard = step_.guard();
  if (guard.consecutive < patience) return;
  const std::optional<int> rank = step_.non_finite_rank();
  throw NonFiniteError("training became non-finite: the gradients of the last " + std::to_string(guard.consecutive) +
                       " steps (up to step " + std::to_string(state_.step) + ") hold NaN or infinity" +
                       (rank ? ", those of rank " + std::to_string(*rank) + " first" : "") +
                       ", so no parameter was changed; try a smaller --lr");
}

void Fit::close_row(std::int64_t epoch) {
  const FitState before = state();
  const double waiting = now();
  HistoryRow row{.epoch = epoch, .train = running(), .step = state_.step};
  row.learning_rate = learning_rate_at(recipe_.schedule, learning_rate_of(recipe_.optimizer), schedule_time(-1));
  check_guard(patience_for_non_finite);
  state_.row_seconds += now() - waiting;  // what the device still had to do of the row's steps
  try {
    if (validation_) {
      const EvaluateOptions options{
          .batch_size = recipe_.batch_size, .average = recipe_.loss_average, .stop = limits_.stop, .ranks = limits_.ranks};
      row.validation = evaluate(network_, *validation_, options);
      if (average_) {
        const WeightAverage::InUse averaged(*average_);
        row.average = evaluate(network_, *validation_, options);
      }
    }
    finish_row(row);
  } catch (const Interrupted&) {
    throw;  // the state is still the one before
  } catch (...) {
    give_row_back(before);
    throw;
  }
}

void Fit::finish_row(HistoryRow& row) {
  row.seconds = state_.row_seconds;
  row.images_per_second = row.seconds > 0 ? static_cast<double>(row.train.samples) / row.seconds : 0;
  state_.history.push_back(row);
  losses_.push_back(loss_of(row));
  state_.row_seconds = 0;
  step_.set_metrics({});

  bool best = recipe_.best == BestRule::last || !row.validation;
  if (!best) {
    const double value = score(row);
    // Paddle's runner starts from a score of 0, Keras' callback from a loss of +∞: only finite values compete.
    best = std::isfinite(value) && (!state_.best || value > *state_.best);
    if (best) state_.best = value;
  }
  notify([&](FitObserver& o) { o.on_evaluation(*this, row); });
  if (best) notify([&](FitObserver& o) { o.on_best(*this); });
}

void Fit::give_row_back(const FitState& before) {
  const double earlier = state_.seconds;  // `before` has those of this session in it
  state_ = before, state_.seconds = earlier;
  step_.set_metrics(before.metrics);
  if (shares_) return;
  try {
    notify([&](FitObserver& o) { o.on_end(*this, FitEnd::stopped); });
  } catch (...) {
    // What failed first is what the user is told, and most likely the cause of this too.
  }
}

}  // namespace tessera
