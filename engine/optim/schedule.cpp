#include "engine/optim/schedule.h"

#include <algorithm>
#include <cmath>

namespace tessera {

double OneCycle::share(double step, double steps) const {
  // The peak is at step warmup·steps − 1, as in PyTorch, which need not be a whole number.
  const double end = steps - 1;
  const double top = std::clamp(warmup * steps - 1, 0.0, std::max(end, 0.0));
  const auto between = [](double from, double to, double way) { return from + (to - from) * way; };
  if (step < top) return between(first, 1, step / top);
  return end > top ? between(1, last, (step - top) / (end - top)) : 1;
}

double StepDecay::share(double step, double steps) const {
  double share = 1;
  for (const double milestone : at) share *= step >= std::floor(milestone * steps) ? factor : 1;
  return share;
}

double Plateau::share(std::span<const double> losses) const {
  double share = 1, lowest = HUGE_VAL;
  std::int64_t without = 0;
  for (const double loss : losses) {
    if (loss < lowest * (1 - threshold))
      lowest = loss, without = 0;
    else if (++without > patience)
      share *= factor, without = 0;
  }
  return share;
}

namespace {

// Without a rise of its own, which a warm-up takes the place of.
template <class Each>
Each without_rise(const Each& schedule) {
  return schedule;
}
CosineDecay without_rise(const CosineDecay& schedule) { return {.last = schedule.last}; }

template <class Each>
double share_of(const Each& schedule, double step, double steps, std::span<const double> losses) {
  if constexpr (requires { schedule.share(losses); })
    return schedule.share(losses);
  else
    return schedule.share(step, steps);
}

double warmed_up(OneCycle schedule, double step, double steps, const ScheduleTime& time) {
  schedule.warmup = static_cast<double>(time.warmup + 1) / steps;  // the peak is at step number `warmup`
  return schedule.share(step, steps);
}
template <class Each>
double warmed_up(const Each& schedule, double step, double steps, const ScheduleTime& time) {
  const auto rise = static_cast<double>(time.warmup);
  const double rest = share_of(without_rise(schedule), std::max(step - rise, 0.0), std::max(steps - rise, 1.0), time.losses);
  return step < rise ? (step + 1) / (rise + 1) : rest;
}

}  // namespace

double learning_rate_at(const Schedule& schedule, double peak, const ScheduleTime& time) {
  const double step = std::min(time.step, time.steps - 1);
  return peak * std::visit(
                    [&](const auto& each) {
                      return time.warmup > 0 ? warmed_up(each, step, time.steps, time)
                                             : share_of(each, step, time.steps, time.losses);
                    },
                    schedule);
}

}  // namespace tessera
