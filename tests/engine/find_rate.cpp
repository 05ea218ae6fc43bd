// The sweep of learning rates.
#include "engine/run/find_rate.h"

#include <cmath>

#include "tests/engine/trainee.h"

using namespace tessera;
using namespace tessera::test;

TEST_CASE(
    "a sweep: rates grow by one factor, losses are smoothed, it ends where they rise, and suggests a tenth of the best") {
  Plan p = plan(1);
  p.optimizer = Sgd::Options{.momentum = 0.9};
  Trainee t(p.optimizer, {.norm = false});
  const RateSweep sweep = sweep_rates(t.network, t.store, p, t.train, nullptr, 1e-5, 1e3);
  REQUIRE(sweep.rates.size() > 10);
  CHECK(sweep.rates.size() < 100);  // a rate of a thousand diverges
  CHECK(sweep.rates[0] == 1e-5);
  double mean = 0, least = INFINITY, best = 0;
  for (std::size_t i = 0; i < sweep.rates.size(); ++i) {
    if (i > 0) CHECK(sweep.rates[i] / sweep.rates[i - 1] == Approx(std::pow(1e8, 1 / 99.0)));
    mean = 0.8 * mean + 0.2 * sweep.losses[i];
    CHECK(sweep.smoothed[i] == Approx(mean / (1 - std::pow(0.8, i + 1))));
    if (sweep.smoothed[i] < least) least = sweep.smoothed[i], best = sweep.rates[i];
  }
  CHECK(sweep.best == best);
  CHECK(sweep.suggestion == Approx(best / 10).epsilon(0.06));
  CHECK(sweep.smoothed[0] > 1.2 * least);  // it learns

  Trainee again(p.optimizer, {.norm = false});
  CHECK(sweep_rates(again.network, again.store, p, again.train, nullptr, 1e-5, 1e3).losses == sweep.losses);

  // The suggestion is worth more than a rate of a hundredth of it.
  const auto trained = [&](double rate) {
    Trainee u(Sgd::Options{.learning_rate = rate, .momentum = 0.9}, {.norm = false});
    return fit(u, plan(3)).state.history.back().train.loss;
  };
  CHECK(trained(sweep.suggestion) < trained(sweep.suggestion / 100));
  const std::atomic<bool> stop = true;
  CHECK_THROWS_AS(sweep_rates(t.network, t.store, p, t.train, &stop), Interrupted);
}
