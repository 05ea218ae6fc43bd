// How the learning rate changes over a run: pure functions of the step, so that a resumed run needs nothing but its step.
//
// A schedule is a struct with a word, its options, and share(): which share of the recipe's learning rate (the peak) step
// number `step` (from 0) of `steps` has. Adding one is a struct here and its name in the list at the end.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
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

// Up in a straight line, then half a cosine down (Loshchilov & Hutter 2017): PyTorch's CosineAnnealingLR over the steps
// behind the warm-up, with T_max = that number and eta_min = last·peak.
struct CosineDecay {
  static constexpr const char* kind = "cosine";
  double warmup = 0;
  double last = 0;
  template <class F>
  void fields(F& f) {
    f("warmup", warmup, {.help = "Share of the steps until the peak", .least = 0, .most = 1});
    f("last", last, {.help = "Share of the peak at the end", .least = 0});
  }
  double share(double step, double steps) const {
    const double rise = warmup * steps;
    if (step < rise) return (step + 1) / (rise + 1);
    return last + (1 - last) * (1 + std::cos(std::numbers::pi * (step - rise) / (steps - rise))) / 2;
  }
};

using Schedule = std::variant<ConstantRate, OneCycle, CosineDecay>;

// The rate of step number `step` (from 0) of `steps`; beyond the end that of the last step.
double learning_rate_at(const Schedule& schedule, double peak, std::int64_t step, std::int64_t steps);

}  // namespace tessera
