// The training loop: going on from a state gives the same bits, steps without finite gradients, when rows are made.
#include "engine/train/fit.h"

#include <climits>
#include <cmath>

#include "tests/engine/trainee.h"

using namespace tessera;
using namespace tessera::test;

TEST_CASE("a run stopped at any step and taken up elsewhere ends in the same bits") {
  struct Case {
    const char* name;
    OptimizerOptions config;
    double dropout;
    bool augment;
    std::int64_t every;
  };
  for (const Case& c :
       {Case{"sgd", Sgd::Options{.learning_rate = 0.01, .momentum = 0.9}, 0, false, 0},
        Case{"sgd, dropout, augmented", Sgd::Options{.learning_rate = 0.01, .momentum = 0.9}, 0.3, true, 0},
        Case{"adam", Adam::Options{.learning_rate = 0.01}, 0, false, 0},
        Case{"adam, dropout, evaluated every 3 steps", AdamKeras::Options{.learning_rate = 0.01}, 0.3, false, 3}}) {
    Plan p = plan(3);
    p.evaluate_every_steps = c.every;
    p.best = BestRule::lowest_validation_loss;
    Trainee whole(c.config, {.dropout = c.dropout}, c.augment);
    const Outcome expected = fit(whole, p);
    REQUIRE(expected.end == FitEnd::finished);
    CHECK(expected.state.step == 3 * steps_per_epoch);

    for (std::int64_t stop_at = 1; stop_at < 3 * steps_per_epoch; ++stop_at) {
      INFO(c.name << ", stopped after step " << stop_at);
      std::atomic<bool> stop = false;
      Plan stoppable = p;
      stoppable.limits.stop = &stop;
      Trainee first(c.config, {.dropout = c.dropout}, c.augment);
      const Outcome half = fit(first, stoppable, {}, [&](const Fit& f) { stop = f.host_state().step == stop_at; });
      CHECK(half.end == FitEnd::stopped);
      CHECK(half.state.step == stop_at);

      Trainee second(c.config, {.dropout = c.dropout}, c.augment);
      second.restored = first.snapshot();
      const Outcome rest = fit(second, p, half.state);
      CHECK(rest.end == FitEnd::finished);
      check_same(rest.state, expected.state);
      CHECK(second.snapshot() == whole.snapshot());
    }
  }
}

TEST_CASE("where a row cannot be evaluated or its best weights not be kept, a resumed run does both, with the same bits") {
  struct FullDisk : FitObserver {
    explicit FullDisk(int k) : left(k) {}
    void on_best(const Fit&) override {
      if (left-- == 0) throw WeightsError("no space left");
    }
    void on_end(const Fit& fit, FitEnd how) override { state = fit.state(), end = how; }
    int left;
    FitState state;
    FitEnd end = FitEnd::finished;
  };
  const OptimizerOptions options = Adam::Options{.learning_rate = 0.01};
  for (const std::int64_t every : {0, 2}) {  // a row an epoch, or within one
    Plan p = plan(3);
    p.evaluate_every_steps = every;
    p.best = BestRule::last;  // every row's weights
    Trainee whole(options, {});
    int passes = 0;
    whole.network.in_evaluation = [&passes] { ++passes; };
    const Outcome expected = fit(whole, p);
    passes /= static_cast<int>(expected.seen.rows.size());  // of an evaluation: a batch each, or a size of batches
    for (int i = 0; i < 6; ++i) {
      const bool while_evaluating = i >= 3;
      const int k = i % 3;
      INFO("a row every " << every << " steps, fails at row " << k << (while_evaluating ? ", while it is evaluated" : ""));
      FullDisk full(while_evaluating ? INT_MAX : k);
      Trainee first(options, {});
      int left = k * passes;
      if (while_evaluating)
        first.network.in_evaluation = [&left] {
          if (left-- == 0) throw WeightsError("no memory left");
        };
      Fit& loop = first.begin(p, p.limits, {}, true);
      loop.add(full);
      CHECK_THROWS_AS(loop.run(), WeightsError);
      CHECK(full.end == FitEnd::stopped);
      CHECK(full.state.history.size() == static_cast<std::size_t>(k));  // not the row whose weights were lost

      Trainee second(options, {});
      second.restored = first.snapshot();
      const Outcome rest = fit(second, p, full.state);
      CHECK(rest.seen.events.substr(0, 16) == "start row best r");
      CHECK(rest.seen.rows.size() + static_cast<std::size_t>(k) == expected.seen.rows.size());
      check_same(rest.state, expected.state);
      CHECK(second.snapshot() == whole.snapshot());
    }
  }
}

TEST_CASE("groups of a recipe train by their own rates, and a run of them goes on in the same bits") {
  Plan p = plan(2);
  p.groups = {{.pattern = "fc.*", .optimizer = Sgd::Options{.learning_rate = 0}},
              {.pattern = "*.bias", .optimizer = AdamW::Options{.learning_rate = 0.02}, .schedule = CosineDecay{}}};
  const OptimizerOptions rest = Sgd::Options{.learning_rate = 0.01, .momentum = 0.9};
  Trainee whole(rest, {});
  const auto fc = download(whole.network.fc.weight.value()), conv = download(whole.network.conv.weight.value()),
             bias = download(whole.network.conv.bias.value());
  fit(whole, p);
  CHECK(download(whole.network.fc.weight.value()) == fc);
  CHECK(download(whole.network.conv.weight.value()) != conv);
  CHECK(download(whole.network.conv.bias.value()) != bias);

  std::atomic<bool> stop = false;
  Plan stoppable = p;
  stoppable.limits.stop = &stop;
  Trainee first(rest, {}), second(rest, {});
  const Outcome half = fit(first, stoppable, {}, [&](const Fit& f) { stop = f.host_state().step == 7; });
  second.restored = first.snapshot();
  fit(second, p, half.state);
  CHECK(second.snapshot() == whole.snapshot());
}

TEST_CASE("training learns, and the same plan gives the same bits") {
  Trainee a(Adam::Options{.learning_rate = 0.01}, {}), b(Adam::Options{.learning_rate = 0.01}, {});
  const Outcome one = fit(a, plan(6)), two = fit(b, plan(6));
  check_same(one.state, two.state);
  CHECK(a.snapshot() == b.snapshot());
  CHECK(one.state.history.back().train.loss < 0.7 * one.state.history.front().train.loss);
  CHECK(one.state.history.back().validation->accuracy > 0.6);
}

TEST_CASE("a step whose gradients are not finite changes no parameter and no moment, and is counted") {
  for (const OptimizerOptions& config : std::initializer_list<OptimizerOptions>{
           Sgd::Options{.learning_rate = 0.01, .momentum = 0.9}, Adam::Options{.learning_rate = 0.01}}) {
    Trainee t(config, {.norm = false});
    t.network.damage = [](int step) { return step == 3 || step == 4 || step == 8; };
    std::vector<std::vector<float>> before = t.snapshot();
    Outcome outcome = fit(t, plan(2), {}, [&](const Fit& f) {
      const std::int64_t step = f.host_state().step - 1;
      INFO("step " << step);
      const bool broken = step == 3 || step == 4 || step == 8;
      CHECK((t.snapshot() == before) == broken);
      before = t.snapshot();
    });
    CHECK(outcome.end == FitEnd::finished);
    CHECK(outcome.state.guard.skipped == 3);
    CHECK(outcome.state.guard.consecutive == 0);
  }
}

TEST_CASE("ten non-finite steps in a row end the run, nine do not; a resumed run goes on counting") {
  {
    Trainee t(Sgd::Options{.learning_rate = 0.01}, {.norm = false});
    t.network.damage = [](int step) { return step >= 2 && step < 11; };
    CHECK(fit(t, plan(3)).state.guard.skipped == 9);
  }
  Trainee t(Sgd::Options{.learning_rate = 0.01}, {.norm = false});
  t.network.damage = [](int step) { return step >= 2; };
  std::vector<std::vector<float>> good;
  std::int64_t reached = 0;
  const auto watch = [&](const Fit& f) {
    reached = f.host_state().step;
    if (reached == 2) good = t.snapshot();
  };
  CHECK_THROWS_AS(fit(t, plan(4), {}, watch), NonFiniteError);
  CHECK(reached == 11);  // the twelfth step found ten
  CHECK(t.snapshot() == good);

  Trainee again(Sgd::Options{.learning_rate = 0.01}, {.norm = false});
  again.network.damage = [](int) { return true; };
  FitState state;
  state.guard = {.skip = 1, .consecutive = 6, .skipped = 6};
  CHECK_THROWS_WITH(fit(again, plan(4), state, [&](const Fit& f) { reached = f.host_state().step; }),
                    Catch::Contains("--lr"));
  CHECK(reached == 3);
}

TEST_CASE("a run too short for ten steps that ends in a non-finite one is an error, not a success") {
  Trainee t(Sgd::Options{.learning_rate = 0.01}, {.norm = false});
  t.network.damage = [](int step) { return step >= 3; };
  CHECK_THROWS_AS(fit(t, plan(1)), NonFiniteError);
  Trainee recovers(Sgd::Options{.learning_rate = 0.01}, {.norm = false});
  recovers.network.damage = [](int step) { return step < 3; };
  CHECK(fit(recovers, plan(1)).end == FitEnd::finished);
}

TEST_CASE("a run taken up with another batch size trains the epochs that are left, along the same schedule") {
  Plan p = plan(2);
  Trainee first(Sgd::Options{.learning_rate = 0.01}, {});
  const Outcome two = fit(first, p);
  REQUIRE(two.state.step == 2 * steps_per_epoch);

  Plan longer = plan(4);
  longer.batch_size = 20;  // two steps an epoch
  longer.schedule = OneCycle{.warmup = 0.5, .first = 0, .last = 0};
  Trainee second(Sgd::Options{.learning_rate = 0.01}, {});
  second.restored = first.snapshot();
  const Outcome rest = fit(second, longer, two.state);
  CHECK(rest.end == FitEnd::finished);
  CHECK(rest.state.epoch == 4);
  CHECK(rest.state.step == 2 * steps_per_epoch + 2 * 2);
  REQUIRE(rest.state.history.size() == 4);
  CHECK(rest.state.history[2].train.samples == image_count);
  // Of 8 steps of this size, the third epoch's last is number 5, counted from 0; the peak is at number 3.
  CHECK(rest.state.history[2].learning_rate == Approx(0.01 * (7 - 5) / (7 - 3.0)));
  CHECK(rest.state.history[3].learning_rate == 0);
}

TEST_CASE("rows: after every epoch, or every so many steps and at the last") {
  {
    Trainee t(Sgd::Options{.learning_rate = 0.01}, {});
    const Outcome o = fit(t, plan(2));
    CHECK(steps_of(o.seen.rows) == std::vector<std::int64_t>{5, 10});
    CHECK(o.seen.rows[1].epoch == 2);
    CHECK(o.seen.rows[1].train.samples == image_count);
    CHECK(o.seen.rows[1].validation->samples == 20);
    CHECK(o.seen.events == "start row best resumable row best resumable finished ");
  }
  Trainee t(Sgd::Options{.learning_rate = 0.01}, {});
  Plan p = plan(2);
  p.evaluate_every_steps = 3;  // steps are counted from 0: behind number 3, 6 and 9, which is the last
  const Outcome o = fit(t, p);
  CHECK(steps_of(o.seen.rows) == std::vector<std::int64_t>{4, 7, 10});
  CHECK(o.seen.rows[0].epoch == 1);
  CHECK(o.seen.rows[1].epoch == 2);
  CHECK(o.seen.rows[0].train.samples == 32);
  CHECK(o.seen.rows[1].train.samples == 5 + 16);
  CHECK(o.state.metrics.samples == 0);
}

TEST_CASE("a run that ends within an epoch closes with a row of that epoch's steps") {
  Trainee t(Sgd::Options{.learning_rate = 0.01}, {});
  Plan p = plan(4);
  p.limits.max_steps = 7;
  const Outcome o = fit(t, p);
  CHECK(o.end == FitEnd::finished);
  CHECK(steps_of(o.seen.rows) == std::vector<std::int64_t>{5, 7});
  CHECK(o.seen.rows[1].epoch == 2);
  CHECK(o.seen.rows[1].train.samples == 16);
  CHECK(o.seen.events == "start row best resumable finished row best ");

  Trainee u(Sgd::Options{.learning_rate = 0.01}, {});
  p.evaluate_every_steps = 100;  // the last step makes the row: no second one
  CHECK(steps_of(fit(u, p).seen.rows) == std::vector<std::int64_t>{7});

  Trainee v(Sgd::Options{.learning_rate = 0.01}, {});
  Plan timed = plan(1000);
  timed.limits.max_seconds = 1e-9;
  const Outcome none = fit(v, timed);
  CHECK(none.end == FitEnd::finished);
  CHECK(none.seen.rows.empty());
}

TEST_CASE("a stop seen while evaluating leaves the row to the run that takes up") {
  for (const std::int64_t every : {0, 3}) {
    Plan p = plan(2);
    p.evaluate_every_steps = every;
    Trainee whole(Adam::Options{.learning_rate = 0.01}, {});
    const Outcome expected = fit(whole, p);

    const std::int64_t at = every == 0 ? steps_per_epoch : every + 1;
    INFO("evaluated behind step " << at);
    std::atomic<bool> stop = false;
    Plan stoppable = p;
    stoppable.limits.stop = &stop;
    Trainee first(Adam::Options{.learning_rate = 0.01}, {});
    const Outcome half = fit(first, stoppable, {}, [&](const Fit& f) { stop = f.host_state().step == at; });
    CHECK(half.end == FitEnd::stopped);
    CHECK(half.seen.rows.empty());
    Trainee second(Adam::Options{.learning_rate = 0.01}, {});
    second.restored = first.snapshot();
    check_same(fit(second, p, half.state).state, expected.state);
    CHECK(second.snapshot() == whole.snapshot());
  }
}

TEST_CASE("losses of training and validation are of one kind: with a rate of 0 they agree, penalty included") {
  for (const LossAverage average : {LossAverage::by_samples, LossAverage::by_batches}) {
    Trainee t(Sgd::Options{.learning_rate = 0}, {.norm = false});
    Plan p = plan(1);
    p.loss_average = average;
    p.shuffle = false;
    Watcher watcher;
    p.optimizer = t.optimizer;
    Fit loop(t.network, t.store, p, t.train, &t.train);
    loop.add(watcher);
    loop.run();
    REQUIRE(watcher.rows.size() == 1);
    CHECK(watcher.rows[0].train.loss == watcher.rows[0].validation->loss);
    CHECK(watcher.rows[0].train.accuracy == watcher.rows[0].validation->accuracy);

    // By hand: the mean over batches, or over samples, of the batch losses.
    double by_samples = 0, by_batches = 0;
    for (std::int64_t first = 0; first < image_count; first += batch_size) {
      const std::int64_t size = std::min(batch_size, image_count - first);
      StepStateBuffer state(t.device);
      state.write({.position = first});
      const Batch batch = t.train.draw(size, state.device_pointer());
      const double loss = download(t.network.loss({}, t.network.forward({}, batch.x), batch.y).value()).at(0);
      by_samples += loss * static_cast<double>(size) / image_count;
      by_batches += loss / steps_per_epoch;
    }
    CHECK(watcher.rows[0].train.loss == Approx(average == LossAverage::by_samples ? by_samples : by_batches).epsilon(1e-6));
    CHECK(std::abs(by_samples - by_batches) > 1e-5);  // the check above tells them apart
  }
}

TEST_CASE("evaluation changes nothing and does not depend on the batch size") {
  Trainee t(Sgd::Options{.learning_rate = 0.01}, {.dropout = 0.5});
  const auto before = t.snapshot();
  const Evaluation small = evaluate(t.network, t.validation, {.batch_size = 3}),
                   large = evaluate(t.network, t.validation, {.batch_size = 64});
  CHECK(small.loss == Approx(large.loss).epsilon(1e-6));
  CHECK(small.accuracy == large.accuracy);
  CHECK(small.samples == 20);
  CHECK(large.top5 == 1);  // four classes
  CHECK(t.snapshot() == before);
  const std::atomic<bool> stop = true;
  CHECK_THROWS_AS(evaluate(t.network, t.validation, {.stop = &stop}), Interrupted);
}

TEST_CASE("best: only a strictly better value counts, by the recipe's rule") {
  for (const BestRule rule : {BestRule::lowest_validation_loss, BestRule::highest_validation_accuracy}) {
    Trainee t(Sgd::Options{.learning_rate = 0.5}, {});
    Plan p = plan(12);
    p.best = rule;
    const Outcome o = fit(t, p);
    std::string expected = "start ";
    std::optional<double> best;
    int improvements = 0;
    for (const HistoryRow& row : o.seen.rows) {
      const double value = rule == BestRule::lowest_validation_loss ? -row.validation->loss : row.validation->accuracy;
      expected += "row ";
      if (!best || value > *best) best = value, expected += "best ", ++improvements;
      expected += "resumable ";
    }
    CHECK(o.seen.events == expected + "finished ");
    CHECK(o.state.best == best);
    CHECK(improvements < 12);  // some epoch was not better, else this tests nothing
  }
}
