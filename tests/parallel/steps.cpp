// N ranks train as one process with --accumulate N does: the same bits. (On other devices: programs.cpp.)
#include "tests/engine/trainee.h"
#include "tests/parallel/threads.h"

using namespace tessera;
using namespace tessera::test;

namespace {

using Weights = std::vector<std::vector<float>>;

struct Trained {
  Weights weights;
  FitState state;
};

Plan parted(std::int64_t parts) {
  Plan p = plan(2);
  p.accumulate = parts;
  p.ema = 0.9;
  return p;
}

Trained trained(const OptimizerOptions& optimizer, Plan p, Communicator* ranks, const Weights& from = {},
                FitState state = {}) {
  Trainee t(optimizer, {.dropout = 0.3}, true, open("cpu", 1));
  p.limits.ranks = ranks;
  t.restored = from;
  const Outcome outcome = fit(t, p, std::move(state));
  return {t.snapshot(), outcome.state};
}

std::vector<Trained> trained_by(int size, const OptimizerOptions& optimizer, const Plan& p, const Weights& from = {},
                                const FitState& state = {}) {
  std::vector<Trained> all(static_cast<std::size_t>(size));
  Threads threads(size);
  threads.run([&](Communicator& ranks) {
    all[static_cast<std::size_t>(ranks.rank())] = trained(optimizer, p, &ranks, from, state);
  });
  return all;
}

void check_same_metrics(const kernels::Metrics& a, const kernels::Metrics& b) {
  CHECK(a.loss_sum == b.loss_sum);
  CHECK(a.batch_loss_sum == b.batch_loss_sum);
  CHECK(a.correct == b.correct);
  CHECK(a.samples == b.samples);
}

}  // namespace

TEST_CASE("ranks end with the bits of one process that has as many parts, its history and its sums") {
  for (const OptimizerOptions& optimizer :
       {OptimizerOptions(Sgd::Options{.learning_rate = 0.05, .momentum = 0.9}), OptimizerOptions(Adam::Options{})}) {
    // The last batch has 5 images: with 7 parts two of them are empty.
    for (const auto& [size, parts] : {std::pair{2, 2}, std::pair{3, 3}, std::pair{7, 7}, std::pair{2, 3}, std::pair{3, 7}}) {
      INFO(kind_of(optimizer) << ", " << size << " ranks, " << parts << " parts");
      const Trained alone = trained(optimizer, parted(parts), nullptr);
      for (const Trained& rank : trained_by(size, optimizer, parted(parts == size ? 1 : parts))) {
        CHECK(rank.weights == alone.weights);
        check_same(rank.state, alone.state);
        check_same_metrics(rank.state.metrics, alone.state.metrics);
      }
    }
  }
}

TEST_CASE("another number of ranks goes on in the middle of an epoch, and with as many parts in the same bits") {
  const OptimizerOptions optimizer = Sgd::Options{.learning_rate = 0.05, .momentum = 0.9};
  Plan p = parted(3);
  p.ema = {};
  const Trained whole = trained(optimizer, p, nullptr);
  Weights weights;
  FitState state;
  std::int64_t until = 3;
  for (const int size : {2, 3, 1}) {
    p.limits.max_steps = until;
    const Trained piece = trained_by(size, optimizer, p, weights, state).front();
    weights = piece.weights, state = piece.state;
    CHECK(state.step == until);
    until = size == 2 ? 7 : 10;
  }
  CHECK(weights == whole.weights);
  CHECK(state.history.size() >= whole.state.history.size());
}

TEST_CASE("a stop that one rank has seen is everybody's, and a loss that is not finite is found in all") {
  Threads threads(3);
  threads.run([](Communicator& ranks) {
    Trainee t(Sgd::Options{}, {}, false, open("cpu", 1));
    std::atomic<bool> stop{false};
    Plan p = plan(2);
    p.limits.ranks = &ranks, p.limits.stop = &stop;
    const Outcome outcome = fit(t, p, {}, [&](const Fit& fit) { stop = ranks.rank() == 1 && fit.session_steps() == 3; });
    RANK_CHECK(outcome.end == FitEnd::stopped);
    RANK_CHECK(outcome.state.step == 3);
  });
  Threads again(2);
  CHECK_THROWS_WITH(again.run([](Communicator& ranks) {
    Trainee t(Sgd::Options{}, {}, false, open("cpu", 1));
    if (ranks.rank() == 1) t.network.damage = [](int step) { return step >= 2; };
    Plan p = plan(9);
    p.limits.ranks = &ranks;
    (void)fit(t, p);
  }),
                    Catch::Contains("those of rank 1 first"));
}

TEST_CASE("the rank that is named began the steps that are not finite, not one of earlier ones that were got over") {
  Threads threads(2);
  CHECK_THROWS_WITH(threads.run([](Communicator& ranks) {
    Trainee t(Sgd::Options{}, {}, false, open("cpu", 1));
    t.network.damage = [&](int step) { return ranks.rank() == 1 ? step == 2 : step >= 5; };
    Plan p = plan(9);
    p.limits.ranks = &ranks;
    (void)fit(t, p);
  }),
                    Catch::Contains("those of rank 0 first"));
}

TEST_CASE("a short run that is not finite ends when rank 0 has saved, in no rank before") {
  struct Saves : FitObserver {
    explicit Saves(std::atomic<bool>& done) : saved(done) {}
    void on_end(const Fit&, FitEnd) override {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      saved = true;
    }
    std::atomic<bool>& saved;
  };
  std::atomic<bool> saved{false};
  Threads threads(2);
  threads.run([&](Communicator& ranks) {
    Trainee t(Sgd::Options{}, {}, false, open("cpu", 1));
    t.network.damage = [](int) { return true; };
    Plan p = plan(1);
    p.limits.ranks = &ranks, p.limits.max_steps = 2;
    Fit& loop = t.begin(p, p.limits, {}, false);
    Saves saves(saved);
    if (ranks.rank() == 0) loop.add(saves);
    bool thrown = false;
    try {
      (void)loop.run();
    } catch (const NonFiniteError&) {
      thrown = true;
      RANK_CHECK(saved);
    }
    RANK_CHECK(thrown);
  });
}

TEST_CASE("parts of a batch leave the gradient of a resting parameter alone: added to itself it would overflow") {
  Trainee t(Sgd::Options{.learning_rate = 0.01}, {}, false, open("cpu", 1));
  const auto optimizer = make_optimizer(t.optimizer, t.store);
  TrainStep step(t.network, t.store, *optimizer, t.train, {.seed = 3, .accumulate = 4});
  kernels::StepState state{.learning_rate = {0.01}};
  step.run(state, batch_size);
  t.network.fc.bias.set_resting(true);
  const Tensor gradient = t.network.fc.bias.node()->grad();  // where it stays
  const std::vector<float> last = gradient.to_host<float>();
  CHECK(std::any_of(last.begin(), last.end(), [](float g) { return g != 0; }));
  for (state.step = 1; state.step < 4; ++state.step) step.run(state, batch_size, 1);
  CHECK(gradient.to_host<float>() == last);
  CHECK(step.guard().consecutive == 0);
}

TEST_CASE("an evaluation is shared out by batches: its sums and what watches it are one process's") {
  struct Seen {
    Evaluation evaluation;
    std::vector<float> logits;
    std::vector<std::int32_t> labels;
  };
  const auto evaluated = [](Communicator* ranks, std::int64_t size) {
    Trainee t(Sgd::Options{}, {}, false, open("cpu", 1));
    Seen seen;
    seen.evaluation = evaluate(t.network, t.validation,
                               {.batch_size = size,
                                .on_batch =
                                    [&](const Tensor& logits, const Tensor& y) {
                                      for (const float z : logits.to_host<float>()) seen.logits.push_back(z);
                                      for (const std::int32_t label : y.to_host<std::int32_t>())
                                        seen.labels.push_back(label);
                                    },
                                .ranks = ranks});
    return seen;
  };
  for (const std::int64_t size : {1, 3, 7, 20, 64}) {
    const Seen alone = evaluated(nullptr, size);
    Threads threads(3);
    threads.run([&](Communicator& ranks) {
      const Seen seen = evaluated(&ranks, size);
      RANK_CHECK(seen.evaluation.loss == alone.evaluation.loss);
      RANK_CHECK(seen.evaluation.accuracy == alone.evaluation.accuracy);
      RANK_CHECK(seen.evaluation.samples == 20);
      RANK_CHECK(seen.logits == alone.logits);
      RANK_CHECK(seen.labels == alone.labels);
    });
  }
}
