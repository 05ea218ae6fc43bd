#include "engine/optim/schedule.h"

#include <algorithm>

namespace tessera {

double OneCycle::share(double step, double steps) const {
  // The peak is at step warmup·steps − 1, as in PyTorch, which need not be a whole number.
  const double end = steps - 1;
  const double top = std::clamp(warmup * steps - 1, 0.0, std::max(end, 0.0));
  const auto between = [](double from, double to, double way) { return from + (to - from) * way; };
  if (step < top) return between(first, 1, step / top);
  return end > top ? between(1, last, (step - top) / (end - top)) : 1;
}

double learning_rate_at(const Schedule& schedule, double peak, std::int64_t step, std::int64_t steps) {
  const double at = static_cast<double>(std::min(step, steps - 1)), of = static_cast<double>(steps);
  return peak * std::visit([&](const auto& each) { return each.share(at, of); }, schedule);
}

}  // namespace tessera
