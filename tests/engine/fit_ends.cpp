// What ends a run before its recipe does, and what happens to the learning rate on the way: patience, plateaus, a limit of
// time.
#include <cmath>
#include <cstring>

#include "tests/engine/trainee.h"

using namespace tessera;
using namespace tessera::test;

namespace {

constexpr double seconds_a_step = 2;

// A clock by which every step takes as long, wherever the run was taken up.
struct Clock {
  std::function<double()> read() {
    return [this] { return time; };
  }
  std::function<void(const Fit&)> advance() {
    return [this](const Fit&) { time += seconds_a_step; };
  }
  double time = 100;
};

OptimizerOptions sgd(double rate) { return Sgd::Options{.learning_rate = rate, .momentum = 0.9}; }

}  // namespace

TEST_CASE("patience ends a run after so many evaluations without a better one, and a resumed run counts on") {
  for (const BestRule rule : {BestRule::last, BestRule::lowest_validation_loss, BestRule::highest_validation_accuracy}) {
    INFO(to_word(rule));
    Plan p = plan(30);
    p.best = rule;
    Trainee endless(sgd(0.4), {});
    const std::vector<HistoryRow> rows = fit(endless, p).state.history;
    REQUIRE(rows.size() == 30);

    // By hand: the first row behind which two in a row were not better.
    std::size_t end = 0;
    double best = -INFINITY;
    for (int without = 0; end < rows.size() && without < 2; ++end) {
      const Evaluation& v = *rows[end].validation;
      const double value = rule == BestRule::highest_validation_accuracy ? v.accuracy : -v.loss;
      without = value > best ? 0 : without + 1;
      best = std::max(best, value);
    }
    REQUIRE(end < 30);

    p.patience = 2;
    Trainee patient(sgd(0.4), {});
    const Outcome whole = fit(patient, p);
    CHECK(whole.end == FitEnd::finished);
    CHECK(whole.state.history.size() == end);
    CHECK(patient.loop->out_of_patience());

    std::atomic<bool> stop = false;
    Plan stoppable = p;
    stoppable.limits.stop = &stop;
    const auto last_but_one = static_cast<std::int64_t>(end - 1) * steps_per_epoch + 2;
    Trainee first(sgd(0.4), {}), second(sgd(0.4), {});
    const Outcome half = fit(first, stoppable, {}, [&](const Fit& f) { stop = f.host_state().step == last_but_one; });
    second.restored = first.snapshot();
    check_same(fit(second, p, half.state).state, whole.state);
    CHECK(second.snapshot() == patient.snapshot());

    Trainee again(sgd(0.4), {});
    CHECK(fit(again, p, whole.state).state.step == whole.state.step);  // nothing is left
  }
  Trainee t(sgd(0.4), {});
  Plan p = plan(3);
  p.patience = 1;
  CHECK_THROWS_AS(fit(t, p, {}, {}, false), UsageError);
  p.evaluate_every_steps = 3;  // ends within an epoch
  Trainee u(sgd(0), {});
  CHECK(steps_of(fit(u, p).state.history) == std::vector<std::int64_t>{4, 7});
}

TEST_CASE("a plateau lowers the rate by the losses of the run, and a resumed run lowers it at the same step") {
  Plan p = plan(12);
  p.schedule = Plateau{.factor = 0.5, .patience = 1, .threshold = 0.2};
  Trainee whole(sgd(0.4), {});
  const Outcome expected = fit(whole, p);
  std::vector<double> losses;
  double last = 1;
  for (const HistoryRow& row : expected.state.history) {
    const double share = std::get<Plateau>(p.schedule).share(losses);  // of the losses before this epoch
    CHECK(row.learning_rate == 0.4 * share);
    losses.push_back(row.validation->loss);
    last = share;
  }
  CHECK(last < 1);

  for (const std::int64_t at : {13, 31, 44}) {
    std::atomic<bool> stop = false;
    Plan stoppable = p;
    stoppable.limits.stop = &stop;
    Trainee first(sgd(0.4), {}), second(sgd(0.4), {});
    const Outcome half = fit(first, stoppable, {}, [&](const Fit& f) { stop = f.host_state().step == at; });
    second.restored = first.snapshot();
    check_same(fit(second, p, half.state).state, expected.state);
    CHECK(second.snapshot() == whole.snapshot());
  }
}

TEST_CASE("a limit of time brings the schedule to its end, and a resumed run goes on with what was decided") {
  Plan p = plan(1000);  // 5,000 steps
  p.schedule = LinearDecay{};
  p.limits.max_seconds = 61 * seconds_a_step;
  struct Seen {
    std::vector<double> rates;
    Outcome outcome;
  };
  const auto train = [&](Trainee& t, const Plan& how, FitState state,
                         const std::function<bool(std::int64_t)>& stop_at = {}) {
    Clock clock;
    std::atomic<bool> stop = false;
    Plan own = how;
    own.limits.clock = clock.read();
    own.limits.stop = &stop;
    Seen seen;
    const auto tick = clock.advance();
    seen.outcome = fit(t, own, std::move(state), [&](const Fit& f) {
      tick(f);
      if (stop_at) stop = stop_at(f.host_state().step);
    });
    return seen;
  };

  Trainee whole(sgd(0.1), {});
  const Seen expected = train(whole, p, {});
  const FitState& end = expected.outcome.state;
  CHECK(expected.outcome.end == FitEnd::finished);
  CHECK(end.step >= 58);  // a little less than the time has room for
  CHECK(end.step <= 61);
  REQUIRE(end.pace);
  CHECK(end.seconds == Approx(static_cast<double>(end.step) * seconds_a_step));
  std::vector<double> rates;
  for (const HistoryRow& row : end.history) rates.push_back(row.learning_rate);
  for (std::size_t i = 1; i < rates.size(); ++i) CHECK(rates[i] < rates[i - 1]);
  CHECK(rates[5] == Approx(0.05).epsilon(0.1));  // half of the way
  CHECK(rates.back() < 0.005);                   // to its end

  for (const std::int64_t at : {1, 3, 4, 17, 40, 57}) {
    INFO("stopped after step " << at);
    Trainee first(sgd(0.1), {}), second(sgd(0.1), {});
    const Seen half = train(first, p, {}, [&](std::int64_t step) { return step == at; });
    REQUIRE(half.outcome.end == FitEnd::stopped);
    second.restored = first.snapshot();
    const Seen rest = train(second, p, half.outcome.state);
    CHECK(rest.outcome.state.seconds == Approx(static_cast<double>(rest.outcome.state.step) * seconds_a_step));
    if (at < 4) {  // nothing was measured, so nothing decided
      CHECK(std::abs(rest.outcome.state.step - end.step) <= 1);
      continue;
    }
    check_same(rest.outcome.state, end);  // since the clock is even
    CHECK(second.snapshot() == whole.snapshot());
  }

  Trainee again(sgd(0.1), {});
  CHECK(train(again, p, end).outcome.state.step == end.step);  // its time is over
  Plan longer = p;                                             // another limit is decided anew
  longer.limits.max_seconds = 81 * seconds_a_step;
  Trainee more(sgd(0.1), {});
  more.restored = whole.snapshot();
  CHECK(train(more, longer, end).outcome.state.step >= 78);
}

TEST_CASE("time enough leaves a run its schedule; more epochs than it had go on") {
  Plan p = plan(4);
  p.schedule = CosineDecay{};
  Trainee free(sgd(0.1), {}), timed(sgd(0.1), {});
  const Outcome expected = fit(free, p);
  Plan limited = p;
  limited.limits.max_seconds = 1e6;
  const Outcome same = fit(timed, limited);
  CHECK(same.state.step == expected.state.step);
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(same.state.history[i].learning_rate == Approx(expected.state.history[i].learning_rate).margin(1e-12));
  limited.epochs = 6;
  Trainee longer(sgd(0.1), {});
  CHECK(fit(longer, limited, same.state).state.step == 30);
}

TEST_CASE("a NaN among the weights, wherever it is: the next step and all after it change nothing and are counted") {
  constexpr std::int64_t tries = 100;
  for (std::int64_t i = 0; i < tries; ++i) {
    Trainee t(Sgd::Options{.learning_rate = 0.01}, {.norm = false});
    const Parameter* const parameters[] = {&t.network.conv.weight, &t.network.conv.bias, &t.network.fc.weight,
                                           &t.network.fc.bias};
    const Tensor chosen = parameters[i % 4]->value();
    const std::int64_t element = i * 7919 % chosen.count(), good_steps = 1 + i % 3;
    INFO(parameters[i % 4]->path() << " " << element << " after step " << good_steps);
    std::vector<float> broken;
    const auto damage = [&](const Fit& f) {
      if (f.host_state().step != good_steps) return;
      std::vector<float> values = chosen.to_host<float>();
      values[static_cast<std::size_t>(element)] = std::nanf("");
      chosen.copy_from(std::span<const float>(values));
      broken = t.store.values().to_host<float>();
    };
    CHECK_THROWS_AS(fit(t, plan(1), {}, damage, false), NonFiniteError);
    CHECK(t.loop->skipped_steps() == steps_per_epoch - good_steps);
    const std::vector<float> after = t.store.values().to_host<float>();
    CHECK(std::memcmp(after.data(), broken.data(), broken.size() * sizeof(float)) == 0);
  }
}
