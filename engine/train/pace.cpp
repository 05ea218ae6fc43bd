#include "engine/train/pace.h"

#include <algorithm>
#include <cmath>

namespace tessera {
namespace {

constexpr double reserve = 0.02;  // of the time left: a run that is cut has not reached its schedule's end

}  // namespace

double Pace::at(std::int64_t run_step, double steps) const {
  if (run_step >= end) return steps;
  const double way = static_cast<double>(run_step - step) / static_cast<double>(end - step);
  return position + (steps - position) * way;
}

void Pace::decide(std::int64_t run_step, double steps, std::int64_t left, double seconds_left) {
  position = at(run_step, steps);
  step = run_step;
  const double fitting = std::floor((1 - reserve) * seconds_left / seconds_per_step);
  whole = !(fitting < static_cast<double>(left));
  end = step + std::max<std::int64_t>(1, whole ? left : static_cast<std::int64_t>(fitting));
  next = step + std::clamp<std::int64_t>((end - step) / 8, 1, 64);
}

}  // namespace tessera
