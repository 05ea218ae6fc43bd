#include "tests/ptx/interpreter/control.h"

#include <bit>

#include "tests/ptx/interpreter/warp.h"

namespace tessera::ptx {
namespace {

u32 guarded(const Warp& w, const Instruction& i) {  // the lanes that the guard lets pass
  if (i.guard == none) return w.mask;
  const u32 p = w.predicate(i.guard);
  return w.mask & (i.guard_not ? ~p : p);
}

void wait_at_barrier(Warp& w, const Instruction& i, Place reduce_to, bool value) {
  w.reduce_to = reduce_to;
  w.reduce_value = value;
  w.at_barrier = true;
  w.barrier_pc = static_cast<u32>(&i - w.block->kernel->code.data());
  w.stop = true;
}

u32 member_mask(Warp& w, const Instruction& i, Place operand) {
  const u32* const m = w.from<u32>(operand);
  const u32 first = m[std::countr_zero(w.mask)];
  TESSERA_PTX_LANES if (w.mask >> l & 1) {
    if (m[l] != first) fault(w, i, Fault::launch_failure, "lanes name different sets of lanes", l);
    if (!(m[l] >> l & 1)) fault(w, i, Fault::launch_failure, "a lane is not in its own set of lanes", l);
  }
  return first;
}

enum class Shuffle { butterfly, down, up, index };

template <Shuffle mode>
void shuffle(Warp& w, const Instruction& i) {
  if (!converge(w, i, member_mask(w, i, i.at[5]))) return;
  const u32* const value = w.from<u32>(i.at[2]);
  const u32* const distance = w.from<u32>(i.at[3]);
  const u32* const limits = w.from<u32>(i.at[4]);
  u32 result[lane_count], inside = 0;
  for (int l = 0; l < static_cast<int>(lane_count); ++l) {
    const int clamp = limits[l] & 31, segment = limits[l] >> 8 & 31, lane = distance[l] & 31;
    const int lowest = l & segment, highest = lowest | (clamp & ~segment);
    int from = mode == Shuffle::butterfly ? l ^ lane
               : mode == Shuffle::down    ? l + lane
               : mode == Shuffle::up      ? l - lane
                                          : lowest | (lane & ~segment);
    const bool valid = mode == Shuffle::up ? from >= highest : from <= highest;
    if (!valid) from = l;
    if ((w.mask >> l & 1) && !(w.mask >> from & 1))
      fault(w, i, Fault::launch_failure, "shuffle from an inactive lane: undefined", static_cast<u32>(l));
    result[l] = value[from];
    inside |= static_cast<u32>(valid) << l;
  }
  u32* const d = w.to<u32>(i.at[0]);
  TESSERA_PTX_LANES if (w.mask >> l & 1) d[l] = result[l];
  if (i.at[1] != none) w.set_predicate(i.at[1], inside);
}

}  // namespace

// ---- branches ----------------------------------------------------------------------------------------------------------

void run_label(Warp& w, const Instruction&) {
  if (w.pending && w.pc - 1 >= w.least) [[unlikely]] {
    --w.pc;
    reschedule(w, false);
  }
}

void run_branch(Warp& w, const Instruction& i) {
  const u32 taken = guarded(w, i);
  if (taken == w.mask) {
    w.pc = i.target;
  } else if (taken) {
    add_group(w, i.target, taken, false);
    find_least(w);
    w.mask &= ~taken;
  } else {
    return;
  }
  if (w.pending && w.pc >= w.least) reschedule(w, false);
}

void run_exit(Warp& w, const Instruction& i) {
  const u32 leave = guarded(w, i);
  w.live &= ~leave;
  w.mask &= ~leave;
  for (int g = 0; g < w.pending; ++g) w.groups[g].blocked = false;  // what they wait for may be less now
  find_least(w);
  if (!w.mask) end_group(w);
}

void run_nothing(Warp&, const Instruction&) {}

// ---- barriers ----------------------------------------------------------------------------------------------------------

void run_barrier(Warp& w, const Instruction& i) {
  if (converge(w, i, w.live)) wait_at_barrier(w, i, none, false);
}
void run_barrier_any(Warp& w, const Instruction& i) {
  if (converge(w, i, w.live)) wait_at_barrier(w, i, i.at[0], (w.predicate(i.at[1]) & w.mask) != 0);
}
void run_barrier_all(Warp& w, const Instruction& i) {
  if (converge(w, i, w.live)) wait_at_barrier(w, i, i.at[0], (w.predicate(i.at[1]) & w.mask) == w.mask);
}
bool is_any_barrier(const Instruction& i) { return i.handler == run_barrier_any; }

void run_warp_barrier(Warp& w, const Instruction& i) { (void)converge(w, i, member_mask(w, i, i.at[0])); }

// ---- shuffles and votes ------------------------------------------------------------------------------------------------

void run_shuffle_butterfly(Warp& w, const Instruction& i) { shuffle<Shuffle::butterfly>(w, i); }
void run_shuffle_down(Warp& w, const Instruction& i) { shuffle<Shuffle::down>(w, i); }
void run_shuffle_up(Warp& w, const Instruction& i) { shuffle<Shuffle::up>(w, i); }
void run_shuffle_index(Warp& w, const Instruction& i) { shuffle<Shuffle::index>(w, i); }

void run_vote_any(Warp& w, const Instruction& i) {
  if (converge(w, i, member_mask(w, i, i.at[2]))) w.set_predicate(i.at[0], (w.predicate(i.at[1]) & w.mask) ? all_lanes : 0);
}
void run_vote_all(Warp& w, const Instruction& i) {
  if (converge(w, i, member_mask(w, i, i.at[2])))
    w.set_predicate(i.at[0], (w.predicate(i.at[1]) & w.mask) == w.mask ? all_lanes : 0);
}
void run_vote_ballot(Warp& w, const Instruction& i) {
  if (!converge(w, i, member_mask(w, i, i.at[2]))) return;
  const u32 p = w.predicate(i.at[1]) & w.mask;
  u32* const d = w.to<u32>(i.at[0]);
  TESSERA_PTX_LANES if (w.mask >> l & 1) d[l] = p;
}
void run_active_mask(Warp& w, const Instruction& i) {
  u32* const d = w.to<u32>(i.at[0]);
  TESSERA_PTX_LANES if (w.mask >> l & 1) d[l] = w.mask;
}

}  // namespace tessera::ptx
