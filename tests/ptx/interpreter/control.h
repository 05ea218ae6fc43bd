// Handlers of branches, barriers and of what a warp's lanes do together (PTX ISA 9.7.12 and 9.7.13).
#pragma once

#include "tests/ptx/interpreter/program.h"

namespace tessera::ptx {

// Branches. A label is an instruction: there a group looks whether another one stands before it.
void run_label(Warp&, const Instruction&);
void run_branch(Warp&, const Instruction&);  // guard, target
void run_exit(Warp&, const Instruction&);    // guard
void run_nothing(Warp&, const Instruction&);

// Barriers of the block. at[0] result, at[1] predicate.
void run_barrier(Warp&, const Instruction&);
void run_barrier_any(Warp&, const Instruction&);
void run_barrier_all(Warp&, const Instruction&);
bool is_any_barrier(const Instruction& i);

// Of the warp: at[0] mask.
void run_warp_barrier(Warp&, const Instruction&);

// shfl: at[0] result, at[1] predicate or none, at[2] value, at[3] lane, at[4] clamp and segment, at[5] mask.
void run_shuffle_butterfly(Warp&, const Instruction&);
void run_shuffle_down(Warp&, const Instruction&);
void run_shuffle_up(Warp&, const Instruction&);
void run_shuffle_index(Warp&, const Instruction&);

// vote: at[0] result, at[1] predicate, at[2] mask.
void run_vote_any(Warp&, const Instruction&);
void run_vote_all(Warp&, const Instruction&);
void run_vote_ballot(Warp&, const Instruction&);
void run_active_mask(Warp&, const Instruction&);  // at[0] result

}  // namespace tessera::ptx
