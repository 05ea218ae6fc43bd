// Pace: how a run with a limit of time reaches the end of its schedule when the time is over.
//
// Between two decisions the schedule's position moves in a straight line, from where it stood to the schedule's end at the
// step at which the time will be over, as far as the steps so far tell. Decisions come closer together towards the end. The
// last one is part of the run's state, so that a resumed run goes on with what was decided.
#pragma once

#include <cstdint>

#include "engine/core/fields.h"

namespace tessera {

struct Pace {
  std::int64_t step = 0;        // of the decision
  double position = 0;          // of the schedule there, in its steps
  std::int64_t end = 0;         // the run's last step is number end − 1
  std::int64_t next = 0;        // the step of the next decision
  bool whole = true;            // the end is the recipe's: the time suffices
  double seconds_per_step = 0;  // as measured; 0: not yet
  double limit = 0;             // seconds of the run that it was decided for

  template <class F>
  void fields(F& f) {
    f("step", step, {.least = 0, .most = 1e15});
    f("position", position, {.least = 0, .most = 1e15});
    f("end", end, {.least = 0, .most = 1e15});
    f("next", next, {.least = 0, .most = 1e15});
    f("whole", whole);
    f("seconds_per_step", seconds_per_step, {.least = 0});
    f("limit", limit, {.least = 0, .above = true});
  }

  // Where the schedule of `steps` stands at a step: at `steps` when the run ends.
  double at(std::int64_t run_step, double steps) const;
  // A new decision: `left` steps at most, `seconds_left` of time.
  void decide(std::int64_t run_step, double steps, std::int64_t left, double seconds_left);
};

}  // namespace tessera
