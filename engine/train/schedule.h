// How the learning rate changes over a run.
#pragma once

#include <cstdint>

#include "engine/core/fields.h"

namespace tessera {

enum class ScheduleKind : std::uint8_t {
  constant,
  // Up in a straight line, then down in a straight line (Smith & Topin 2017); PyTorch's OneCycleLR with
  // anneal_strategy="linear", pct_start = warmup, div_factor = 1/first, final_div_factor = first/last.
  one_cycle,
};
inline std::span<const Word<ScheduleKind>> words(ScheduleKind) {
  static constexpr Word<ScheduleKind> table[] = {{ScheduleKind::constant, "constant"},
                                                 {ScheduleKind::one_cycle, "one cycle"}};
  return table;
}

struct Schedule {
  ScheduleKind kind = ScheduleKind::constant;
  // one_cycle; rates as shares of the recipe's learning rate, which is the peak.
  double warmup = 0.3;  // share of the steps until the peak
  double first = 0.04;  // at the first step
  double last = 0;      // at the last step

  template <class F>
  void fields(F& f) {
    f("kind", kind);
    f("warmup", warmup, {.least = 0, .most = 1});
    f("first", first, {.least = 0});
    f("last", last, {.least = 0});
  }
};

// The rate of step number `step` (from 0) of `steps`; beyond the end that of the last step.
double learning_rate_at(const Schedule& schedule, double peak, std::int64_t step, std::int64_t steps);

}  // namespace tessera
