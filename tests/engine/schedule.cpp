// The one-cycle rate, against torch.optim.lr_scheduler.OneCycleLR(anneal_strategy="linear").
#include "engine/optim/schedule.h"

#include "tests/catch.h"

using namespace tessera;

TEST_CASE("a constant rate is one") {
  for (const std::int64_t step : {0, 5, 1000}) CHECK(learning_rate_at({}, 0.3, step, 10) == 0.3);
}

TEST_CASE("one cycle rises and falls as PyTorch's OneCycleLR does") {
  const auto rates = [](const Schedule& schedule, std::int64_t steps) {
    std::vector<double> all;
    for (std::int64_t i = 0; i < steps; ++i) all.push_back(learning_rate_at(schedule, 0.4, i, steps));
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
  CHECK(learning_rate_at(to_zero, 0.4, 50, 10) == Approx(0).margin(1e-12));  // beyond the end
  CHECK(learning_rate_at(to_zero, 0.4, 0, 1) == 0.4);                        // a run of one step has no slopes
}

// numpy: 0.05 + 0.15·(1 + cos(π·t/8)), PyTorch's CosineAnnealingLR(T_max = 8, eta_min = 0.05) from 0.35.
TEST_CASE("a cosine falls as PyTorch's CosineAnnealingLR does, behind a warm-up in a straight line") {
  const Schedule cosine = CosineDecay{.last = 0.05 / 0.35};
  const double expected[] = {0.35, 0.3385819299, 0.3060660172, 0.2574025149, 0.2, 0.1425974851, 0.0939339828, 0.0614180701};
  for (std::int64_t i = 0; i < 8; ++i) CHECK(learning_rate_at(cosine, 0.35, i, 8) == Approx(expected[i]).margin(1e-9));
  const Schedule warm = CosineDecay{.warmup = 0.2};
  CHECK(learning_rate_at(warm, 0.3, 0, 10) == Approx(0.1));  // 1/3, 2/3, then the peak
  CHECK(learning_rate_at(warm, 0.3, 1, 10) == Approx(0.2));
  CHECK(learning_rate_at(warm, 0.3, 2, 10) == Approx(0.3));
  CHECK(learning_rate_at(warm, 0.3, 6, 10) == Approx(0.15));
}
