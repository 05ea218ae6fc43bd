#include "engine/train/fit.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "engine/core/random.h"

namespace tessera {
namespace {

constexpr int patience_for_non_finite = 10;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace

Fit::Fit(Network& network, ParameterStore& parameters, const Recipe& recipe, BatchSource& train,
         const BatchSource* validation, const FitLimits& limits, FitState state)
    : network_(network),
      parameters_(parameters),
      train_(train),
      validation_(validation),
      recipe_(recipe),
      limits_(limits),
      optimizer_(make_optimizer(recipe.optimizer, parameters, recipe.groups)),
      state_(std::move(state)),
      step_(network, parameters, *optimizer_, train, recipe.seed, recipe.label_smoothing) {}

template <class Call>
void Fit::notify(Call&& call) {
  for (FitObserver* observer : observers_) call(*observer);
}

// From where the run stands, not from its beginning: it may have begun with another batch size or other data.
std::int64_t Fit::steps_left() const {
  if (state_.epoch >= last_epoch()) return 0;
  const std::int64_t samples = std::max<std::int64_t>(train_.count() - state_.position, 0);
  return (samples + recipe_.batch_size - 1) / recipe_.batch_size + (last_epoch() - state_.epoch - 1) * steps_per_epoch();
}

std::int64_t Fit::total_steps() const {
  const std::int64_t steps = state_.step + steps_left();
  return limits_.max_steps ? std::min(steps, *limits_.max_steps) : steps;
}

std::int64_t Fit::schedule_steps() const { return recipe_.epochs * steps_per_epoch(); }

double Fit::learning_rate(std::int64_t ahead) const {
  const std::int64_t steps = schedule_steps();
  return learning_rate_at(recipe_.schedule, learning_rate_of(recipe_.optimizer), steps - steps_left() + ahead, steps);
}

double Fit::session_seconds() const { return now() - session_start_; }

FitState Fit::state() const {
  FitState copy = state_;
  copy.metrics = step_.metrics();
  copy.guard = step_.guard();
  return copy;
}

Evaluation Fit::running() const { return to_evaluation(step_.metrics(), recipe_.loss_average); }

bool Fit::out_of_time() const { return limits_.max_seconds > 0 && session_seconds() >= limits_.max_seconds; }

FitEnd Fit::run() {
  session_start_ = now();
  first_step_ = state_.step;
  step_.set_metrics(state_.metrics);
  step_.set_guard(state_.guard);
  notify([&](FitObserver& o) { o.on_start(*this); });

  bool complete = true;
  try {
    while (complete && state_.epoch < last_epoch() && state_.step < total_steps()) complete = train_epoch();
  } catch (const Interrupted&) {  // while evaluating: the epoch's steps are done, its row is not
    interrupted_ = true;
  }
  const FitEnd end = interrupted_ ? FitEnd::stopped : FitEnd::finished;
  notify([&](FitObserver& o) { o.on_end(*this, end); });
  if (end == FitEnd::finished && step_.metrics().samples > 0) close_row(state_.epoch + 1);  // a cut epoch's steps make a row
  if (end == FitEnd::finished && session_steps() > 0 && session_steps() < patience_for_non_finite)
    check_guard(1);  // too short for patience: its last step must be a good one
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

  while (state_.position < count) {
    if (limits_.stop && *limits_.stop) {
      interrupted_ = true;
      return false;
    }
    if (state_.step >= total_steps() || out_of_time()) return false;
    one_step(std::min(recipe_.batch_size, count - state_.position));
    if (row_is_due()) close_row(state_.epoch + 1);
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
  const std::int64_t steps = schedule_steps();
  set_learning_rates(step, recipe_.optimizer, recipe_.schedule, recipe_.groups, steps - steps_left(), steps);
  step_.run(step, size);
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
  if (guard.consecutive >= patience)
    throw NonFiniteError("training became non-finite: the gradients of the last " + std::to_string(guard.consecutive) +
                         " steps (up to step " + std::to_string(state_.step) +
                         ") hold NaN or infinity, so no parameter was changed; try a smaller --lr");
}

void Fit::close_row(std::int64_t epoch) {
  const double waiting = now();
  HistoryRow row{.epoch = epoch, .train = running(), .learning_rate = learning_rate(-1), .step = state_.step};
  check_guard(patience_for_non_finite);
  state_.row_seconds += now() - waiting;  // what the device still had to do of the row's steps
  if (validation_)
    row.validation = evaluate(network_, *validation_,
                              {.batch_size = recipe_.batch_size, .average = recipe_.loss_average, .stop = limits_.stop});
  row.seconds = state_.row_seconds;
  row.images_per_second = row.seconds > 0 ? static_cast<double>(row.train.samples) / row.seconds : 0;
  state_.history.push_back(row);
  state_.row_seconds = 0;
  step_.set_metrics({});

  bool best = recipe_.best == BestRule::last || !row.validation;
  if (!best) {
    const double value = recipe_.best == BestRule::lowest_validation_loss ? -row.validation->loss : row.validation->accuracy;
    // Paddle's runner starts from a score of 0, Keras' callback from a loss of +∞: only finite values compete.
    best = std::isfinite(value) && (!state_.best || value > *state_.best);
    if (best) state_.best = value;
  }
  notify([&](FitObserver& o) { o.on_evaluation(*this, row); });
  if (best) notify([&](FitObserver& o) { o.on_best(*this); });
}

}  // namespace tessera
