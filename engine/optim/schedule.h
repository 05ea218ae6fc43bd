// How the learning rate changes over a run: pure functions of the step, so that a resumed run needs nothing but its step.
//
// A schedule is a struct with a word, its options, and share(): which share of the recipe's learning rate (the peak) step
// number `step` (from 0) of `steps` has. Adding one is a struct here and its name in the list at the end.
#pragma once

#include <cstdint>
#include <variant>

#include "engine/core/fields.h"

namespace tessera {

struct ConstantRate {
  static constexpr const char* kind = "constant";
  template <class F>
  void fields(F&) {}
  double share(double, double) const { return 1; }
};

// Up in a straight line, then down in a straight line (Smith & Topin 2017); PyTorch's OneCycleLR with
// anneal_strategy="linear", pct_start = warmup, div_factor = 1/first, final_div_factor = first/last.
struct OneCycle {
  static constexpr const char* kind = "one cycle";
  double warmup = 0.3;
  double first = 0.04;
  double last = 0;
  template <class F>
  void fields(F& f) {
    f("warmup", warmup, {.help = "Share of the steps until the peak", .least = 0, .most = 1});
    f("first", first, {.help = "Share of the peak at the first step", .least = 0});
    f("last", last, {.help = "Share of the peak at the last step", .least = 0});
  }
  double share(double step, double steps) const;
};

using Schedule = std::variant<ConstantRate, OneCycle>;

// The rate of step number `step` (from 0) of `steps`; beyond the end that of the last step.
double learning_rate_at(const Schedule& schedule, double peak, std::int64_t step, std::int64_t steps);

}  // namespace tessera
