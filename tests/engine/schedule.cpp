// Schedules against those of torch.optim.lr_scheduler: their numbers, or their source's recursions.
#include "engine/optim/schedule.h"

#include <cmath>

#include "tests/catch.h"

using namespace tessera;

namespace {

double rate(const Schedule& schedule, double peak, std::int64_t step, std::int64_t steps, std::int64_t warmup = 0) {
  return learning_rate_at(schedule, peak,
                          {.step = static_cast<double>(step), .steps = static_cast<double>(steps), .warmup = warmup});
}

// PyTorch's own loop, in the order of its source: the factor of each schedule at each step.
double linear_lr(double start, double end, std::int64_t total, std::int64_t step) {
  double factor = start;
  for (std::int64_t t = 1; t <= std::min(step, total); ++t)
    factor *= 1 + (end - start) / (static_cast<double>(total) * start + static_cast<double>(t - 1) * (end - start));
  return factor;
}

}  // namespace

TEST_CASE("a constant rate is one") {
  for (const std::int64_t step : {0, 5, 1000}) CHECK(rate({}, 0.3, step, 10) == 0.3);
}

TEST_CASE("one cycle rises and falls as PyTorch's OneCycleLR does") {
  const auto rates = [](const Schedule& schedule, std::int64_t steps) {
    std::vector<double> all;
    for (std::int64_t i = 0; i < steps; ++i) all.push_back(rate(schedule, 0.4, i, steps));
    return all;
  };
  const auto check = [](const std::vector<double>& got, const std::vector<double>& expected) {
    REQUIRE(got.size() == expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == Approx(expected[i]).margin(1e-9));
  };
  const Schedule to_zero = OneCycle{.warmup = 0.3, .first = 0.04, .last = 0};
  check(rates(to_zero, 10),
        {0.016, 0.208, 0.4, 0.3428571429, 0.2857142857, 0.2285714286, 0.1714285714, 0.1142857143, 0.05714285714, 0});
  const Schedule between_steps = OneCycle{.warmup = 0.2, .first = 0.1, .last = 0.01};
  check(rates(between_steps, 7), {0.04, 0.3575714286, 0.2868571429, 0.2161428571, 0.1454285714, 0.07471428571, 0.004});
  CHECK(rate(to_zero, 0.4, 50, 10) == Approx(0).margin(1e-12));  // beyond the end
  CHECK(rate(to_zero, 0.4, 0, 1) == 0.4);                        // a run of one step has no slopes
}

// numpy: 0.05 + 0.15·(1 + cos(π·t/8)), PyTorch's CosineAnnealingLR(T_max = 8, eta_min = 0.05) from 0.35.
TEST_CASE("a cosine falls as PyTorch's CosineAnnealingLR does, behind a warm-up in a straight line") {
  const Schedule cosine = CosineDecay{.last = 0.05 / 0.35};
  const double expected[] = {0.35, 0.3385819299, 0.3060660172, 0.2574025149, 0.2, 0.1425974851, 0.0939339828, 0.0614180701};
  for (std::int64_t i = 0; i < 8; ++i) CHECK(rate(cosine, 0.35, i, 8) == Approx(expected[i]).margin(1e-9));
  const Schedule warm = CosineDecay{.warmup = 0.2};
  CHECK(rate(warm, 0.3, 0, 10) == Approx(0.1));  // 1/3, 2/3, then the peak
  CHECK(rate(warm, 0.3, 1, 10) == Approx(0.2));
  CHECK(rate(warm, 0.3, 2, 10) == Approx(0.3));
  CHECK(rate(warm, 0.3, 6, 10) == Approx(0.15));
}

TEST_CASE("linear falls as PyTorch's LinearLR does") {
  for (const double last : {0.0, 0.25})
    for (const std::int64_t step : {0, 1, 7, 19})
      CHECK(rate(LinearDecay{.last = last}, 0.5, step, 20) == Approx(0.5 * linear_lr(1, last, 20, step)).epsilon(1e-12));
}

TEST_CASE("step falls by a tenth at half and at three quarters, as PyTorch's MultiStepLR with these milestones") {
  for (const std::int64_t steps : {8, 21}) {
    const std::int64_t first = steps / 2, second = steps * 3 / 4;
    for (std::int64_t step = 0; step < steps; ++step)
      CHECK(rate(StepDecay{}, 2, step, steps) == Approx(step < first ? 2 : step < second ? 0.2 : 0.02).epsilon(1e-12));
  }
}

TEST_CASE("a warm-up rises as PyTorch's LinearLR does, and the schedule begins behind it") {
  const Schedule schedules[] = {ConstantRate{}, LinearDecay{}, StepDecay{}, CosineDecay{}, CosineDecay{.warmup = 0.5}};
  for (const Schedule& schedule : schedules)
    for (std::int64_t step = 0; step < 24; ++step) {
      INFO(kind_of(schedule) << " step " << step);
      const Schedule behind = std::holds_alternative<CosineDecay>(schedule) ? Schedule(CosineDecay{}) : schedule;
      const double expected = step < 4 ? 0.3 * linear_lr(1.0 / 5, 1, 4, step) : rate(behind, 0.3, step - 4, 20);
      CHECK(rate(schedule, 0.3, step, 24, 4) == Approx(expected).epsilon(1e-12));
    }
  // A rise of its own takes as many steps instead.
  const Schedule cycle = OneCycle{.warmup = 0.1, .first = 0.2, .last = 0};
  CHECK(rate(cycle, 1, 0, 25, 4) == Approx(0.2));
  CHECK(rate(cycle, 1, 2, 25, 4) == Approx(0.6));
  CHECK(rate(cycle, 1, 4, 25, 4) == Approx(1));
  CHECK(rate(cycle, 1, 14, 25, 4) == Approx(0.5));
  CHECK(rate(cycle, 1, 24, 25, 4) == Approx(0).margin(1e-12));
  CHECK(rate(ConstantRate{}, 1, 3, 5, 100) == Approx(4 / 101.0));  // a warm-up longer than the run
}

TEST_CASE("plateau falls as PyTorch's ReduceLROnPlateau does") {
  const Plateau schedule{.factor = 0.5, .patience = 2, .threshold = 0.1};
  // torch.optim.lr_scheduler.ReduceLROnPlateau.step, line by line.
  const std::vector<double> losses = {1, 0.95, 0.89, 0.88, 0.85, NAN, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.62, 0.62};
  double factor = 1, best = HUGE_VAL;
  int bad = 0, falls = 0;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    if (losses[i] < best * (1 - 0.1))
      best = losses[i], bad = 0;
    else
      ++bad;
    if (bad > 2) factor *= 0.5, bad = 0, ++falls;
    CHECK(learning_rate_at(schedule, 0.8, {.step = 3, .steps = 9, .losses = std::span(losses).first(i + 1)}) ==
          0.8 * factor);
  }
  CHECK(falls == 3);
  CHECK(learning_rate_at(Plateau{}, 0.8, {.step = 3, .steps = 9}) == 0.8);
  CHECK(learning_rate_at(schedule, 0.8, {.step = 1, .steps = 9, .warmup = 3, .losses = losses}) == Approx(0.4));
}
