// The training loop with what a recipe may ask of it besides an optimiser: epochs of whole batches, a summed loss, parameters
// that train for the first epochs only, Muon for filters.
#include <cmath>

#include "tests/engine/trainee.h"

using namespace tessera;
using namespace tessera::test;

namespace {

Plan limited_plan() {
  Plan p = plan(4);
  p.drop_last = true;
  p.schedule = LinearDecay{};
  p.groups = {{.pattern = "fc.bias", .optimizer = Sgd::Options{.learning_rate = 0.02, .momentum = 0.8}, .epochs = 2},
              {.pattern = "conv.weight", .optimizer = Muon::Options{.learning_rate = 0.05}}};
  return p;
}

const OptimizerOptions rest = Sgd::Options{.learning_rate = 0.01, .weight_decay = 0.1, .momentum = 0.9, .nesterov = true};

}  // namespace

TEST_CASE("an epoch of whole batches drops the images that are left, others in each epoch") {
  Plan p = plan(3);
  p.drop_last = true;
  Trainee t(rest, {});
  std::vector<std::int64_t> positions;
  const Outcome outcome = fit(t, p, {}, [&](const Fit& f) { positions.push_back(f.host_state().position); });
  CHECK(positions == std::vector<std::int64_t>{8, 16, 24, 32, 8, 16, 24, 32, 8, 16, 24, 32});  // of 37
  CHECK(steps_of(outcome.seen.rows) == std::vector<std::int64_t>{4, 8, 12});
  CHECK(outcome.state.history[0].train.samples == 32);

  p.batch_size = 50;  // fewer images than a batch: one batch of all
  Trainee one(rest, {});
  CHECK(steps_of(fit(one, p).seen.rows) == std::vector<std::int64_t>{1, 2, 3});
}

TEST_CASE("a stop seen while the row of an epoch of whole batches is evaluated leaves the row to the run that takes up") {
  Plan p = plan(2);
  p.drop_last = true;
  Trainee whole(rest, {});
  const Outcome expected = fit(whole, p);
  for (const std::int64_t at : {4, 8}) {  // the last step of an epoch, and of the run
    INFO("evaluated behind step " << at);
    std::atomic<bool> stop = false;
    Plan stoppable = p;
    stoppable.limits.stop = &stop;
    Trainee first(rest, {}), second(rest, {});
    const Outcome half = fit(first, stoppable, {}, [&](const Fit& f) { stop = f.host_state().step == at; });
    CHECK(half.end == FitEnd::stopped);
    second.restored = first.snapshot();
    const Outcome end = fit(second, p, half.state);
    check_same(end.state, expected.state);
    CHECK(end.seen.events.ends_with("resumable finished "));
    CHECK(second.snapshot() == whole.snapshot());
  }
}

TEST_CASE("a summed loss is shown as its mean and trains by its sum") {
  Plan mean = plan(1), sum = plan(1);
  mean.drop_last = sum.drop_last = sum.summed_loss = true;
  Trainee a(Sgd::Options{.learning_rate = 0.08}, {}), b(Sgd::Options{.learning_rate = 0.01}, {});  // of batches of 8
  const Outcome one = fit(a, mean), other = fit(b, sum);
  CHECK(other.state.history[0].train.loss == Approx(one.state.history[0].train.loss).epsilon(1e-5));
  const std::vector<double> x = download(a.store.values()), y = download(b.store.values());
  double apart = 0;
  for (std::size_t i = 0; i < x.size(); ++i) apart = std::max(apart, std::abs(x[i] - y[i]));
  CHECK(apart < 1e-5);
  CHECK(a.snapshot() != Trainee(rest, {}).snapshot());
}

TEST_CASE("parameters that train for two epochs rest from then on: no gradient, no momentum, no decay") {
  Trainee t(rest, {});
  std::vector<std::vector<double>> biases, weights;
  fit(t, limited_plan(), {}, [&](const Fit&) {
    biases.push_back(download(t.network.fc.bias.value()));
    weights.push_back(download(t.network.conv.weight.value()));
  });
  REQUIRE(biases.size() == 16);
  for (std::size_t step = 1; step < 16; ++step) {
    INFO("step " << step);
    CHECK((biases[step] == biases[step - 1]) == (step >= 8));
    CHECK(weights[step] != weights[step - 1]);
  }
  CHECK(t.store.trainable_count() == Trainee(rest, {}).store.trainable_count());
}

TEST_CASE("a run of such groups goes on in the same bits wherever it was stopped") {
  const Plan p = limited_plan();
  Trainee whole(rest, {});
  const Outcome expected = fit(whole, p);
  for (const std::int64_t stop_at : {1, 5, 7, 8, 9, 13}) {
    INFO("stopped after step " << stop_at);
    std::atomic<bool> stop = false;
    Plan stoppable = p;
    stoppable.limits.stop = &stop;
    Trainee first(rest, {}), second(rest, {});
    const Outcome half = fit(first, stoppable, {}, [&](const Fit& f) { stop = f.host_state().step == stop_at; });
    second.restored = first.snapshot();
    const Outcome end = fit(second, p, half.state);
    check_same(end.state, expected.state);
    CHECK(second.snapshot() == whole.snapshot());
  }
}

TEST_CASE("Muon moves matrices alone, and says which parameter is none") {
  Trainee t(rest, {});
  Plan p = plan(1);
  p.groups = {{.pattern = "conv.bias", .optimizer = Muon::Options{}}};
  CHECK_THROWS_WITH(fit(t, p), Catch::Contains("conv.bias") && Catch::Contains("group"));
}

TEST_CASE("batch norm whose gamma is fixed uses the batch's statistics until its beta is frozen") {
  BatchNorm norm(3, {.fixed_weight = true});
  const Context training{.training = true};
  CHECK(norm.uses_batch_statistics(training));
  CHECK_FALSE(norm.weight.trainable());
  norm.weight.set_trainable(true);  // as a phase of fine-tuning does to all
  CHECK_FALSE(norm.weight.trainable());
  norm.bias.set_trainable(false);
  CHECK_FALSE(norm.uses_batch_statistics(training));
}
