// check_finite: does x hold a NaN or an infinity?  One pass over the exponents, 4 bytes an element: bound by memory.
//
// Loop order: flat; threads get runs of blocks of 4096 elements and leave one flag a block, so that nothing is shared.
#include "kernels/cpu/blocks.h"
#include "kernels/cpu/isa/simd_loops.h"
#include "kernels/cpu/launchers.h"

namespace tessera::kernels::cpu {

void check_finite(Stream& stream, ConstView x, StepGuard* guard) {
  require_float32(stream, "check_finite", {x});
  const SimdLoops& loops = simd_loops(stream);
  const std::int64_t count = x.count(), blocks = block_count(count);
  const float* from = x.as<float>();
  bool* finite = static_cast<bool*>(stream.workspace.borrow(static_cast<std::size_t>(blocks) * sizeof(bool)));
  for_blocks(stream, count, [&](std::int64_t block, std::int64_t offset, std::int64_t here) {
    finite[block] = loops.all_finite(from + offset, here);
  });
  guard->skip = std::all_of(finite, finite + blocks, [](bool f) { return f; }) ? 0 : 1;
  guard->consecutive = guard->skip ? guard->consecutive + 1 : 0;
  guard->skipped += guard->skip;
}

}  // namespace tessera::kernels::cpu
