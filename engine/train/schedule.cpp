#include "engine/train/schedule.h"

#include <algorithm>

namespace tessera {

double learning_rate_at(const Schedule& schedule, double peak, std::int64_t step, std::int64_t steps) {
  if (schedule.kind == ScheduleKind::constant) return peak;
  // The peak is at step warmup·steps − 1, as in PyTorch, which need not be a whole number.
  const double end = static_cast<double>(steps - 1);
  const double top = std::clamp(schedule.warmup * static_cast<double>(steps) - 1, 0.0, std::max(end, 0.0));
  const double at = std::min(static_cast<double>(step), end);
  const auto between = [](double from, double to, double share) { return from + (to - from) * share; };
  if (at < top) return peak * between(schedule.first, 1, at / top);
  return end > top ? peak * between(1, schedule.last, (at - top) / (end - top)) : peak;
}

}  // namespace tessera
