// How the learning rate changes over a run: pure functions of the step, so that a resumed run needs nothing but its step.
//
// A schedule is a struct with a word, its options, and share(): which share of the recipe's learning rate (the peak) step
// number `step` (from 0) of `steps` has, or which share is left after the losses of the evaluations so far. Adding one is a
// struct here and its name in the list at the end.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <span>
#include <variant>
#include <vector>

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

// Down in a straight line: PyTorch's LinearLR with start_factor = 1, end_factor = last, total_iters = steps.
struct LinearDecay {
  static constexpr const char* kind = "linear";
  double last = 0;
  template <class F>
  void fields(F& f) {
    f("last", last, {.help = "Share of the peak at the end", .least = 0});
  }
  double share(double step, double steps) const { return 1 + (last - 1) * step / steps; }
};

// By a factor at half and at three quarters of the steps (He et al. 2015, CIFAR-10): PyTorch's MultiStepLR with
// milestones = ⌊at·steps⌋.
struct StepDecay {
  static constexpr const char* kind = "step";
  double factor = 0.1;
  std::vector<double> at = {0.5, 0.75};
  template <class F>
  void fields(F& f) {
    f("factor", factor, {.help = "By which the rate is multiplied", .least = 0, .most = 1});
    f("at", at, {.help = "Shares of the steps", .least = 0, .most = 1});
  }
  double share(double step, double steps) const;
};

// By a factor where more than `patience` evaluations in a row brought no loss below (1 − threshold) times the lowest:
// PyTorch's ReduceLROnPlateau(mode="min", threshold_mode="rel"), with its values.
struct Plateau {
  static constexpr const char* kind = "plateau";
  double factor = 0.1;
  std::int64_t patience = 10;
  double threshold = 1e-4;
  template <class F>
  void fields(F& f) {
    f("factor", factor, {.help = "By which the rate is multiplied", .least = 0, .most = 1});
    f("patience", patience, {.help = "Evaluations without a lower loss that are let pass", .least = 0, .most = 1e9});
    f("threshold", threshold, {.help = "Share by which a loss must be lower", .least = 0, .most = 1});
  }
  double share(std::span<const double> losses) const;
};

using Schedule = std::variant<ConstantRate, OneCycle, CosineDecay, LinearDecay, StepDecay, Plateau>;

// Where a run stands, for its schedules.
struct ScheduleTime {
  double step = 0, steps = 1;  // of the run; with the end of a run moved, steps need not be whole
  double steps_per_epoch = 1;
  // The first so many steps rise in a straight line, (step + 1)/(warmup + 1) of the rate, and the schedule begins behind
  // them: PyTorch's SequentialLR of LinearLR(start_factor = 1/(warmup + 1), total_iters = warmup) and it. A schedule with
  // a rise of its own rises in these steps instead.
  std::int64_t warmup = 0;
  std::span<const double> losses = {};  // of the evaluations so far
};

// The rate at that time; beyond the end that of the last step.
double learning_rate_at(const Schedule& schedule, double peak, const ScheduleTime& time);

}  // namespace tessera
