// Handlers of ldmatrix and mma, and of the asynchronous copies that feed them.
#pragma once

#include "tests/ptx/interpreter/program.h"

namespace tessera::ptx {

// at[0 … 3] results (count of them), at[4] address.
void run_ldmatrix(Warp&, const Instruction&);
void run_ldmatrix_transposed(Warp&, const Instruction&);

// at[0 … 3] d, at[4 … 7] a, at[8], at[9] b, at[10 … 13] c.
void run_mma_bf16(Warp&, const Instruction&);  // m16n8k16
void run_mma_tf32(Warp&, const Instruction&);  // m16n8k8

// at[0] shared address (plus offset), at[1] global address (plus target), at[2] source bytes or none; size = bytes.
void run_copy_async(Warp&, const Instruction&);
void run_copy_commit(Warp&, const Instruction&);
void run_copy_wait(Warp&, const Instruction&);  // target: groups that may stay under way

}  // namespace tessera::ptx
