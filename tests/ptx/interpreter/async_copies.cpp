// cp.async: by default a copy lands only when its group is waited for, and until then its place holds neither what was
// there nor what comes.
#include <cstring>

#include "tests/ptx/interpreter/access.h"
#include "tests/ptx/interpreter/matrices.h"

namespace tessera::ptx {
namespace {

void land(Warp& w, const CopyInFlight& c) {
  char* const to = w.block->shared.data() + c.shared;
  std::memcpy(to, w.block->machine->memory.host(c.global), c.source_bytes);
  std::memset(to + c.source_bytes, 0, c.bytes - c.source_bytes);
}

void check(Warp& w, const Instruction& i, u32 lane, u64 shared, u64 global, u32 source_bytes) {
  const u32 bytes = i.size;
  if (source_bytes > bytes) fault(w, i, Fault::launch_failure, "cp.async: more source bytes than bytes", lane);
  if (shared % bytes) fault(w, i, Fault::misaligned_address, "cp.async: misaligned shared address", lane);
  if (global % bytes)
    fault(w, i, Fault::misaligned_address, "cp.async: misaligned global address " + std::to_string(global), lane);
  if (shared < shared_base || shared + bytes > shared_base + w.block->shared_bytes)
    fault(w, i, Fault::illegal_address, "cp.async: shared address out of bounds", lane);
  if (source_bytes && !in_one_block(w, i, global, source_bytes))
    fault(w, i, Fault::illegal_address, "cp.async: global address out of bounds", lane);
}

}  // namespace

void run_copy_async(Warp& w, const Instruction& i) {
  const u32* const to = w.from<u32>(i.at[0]);
  const u64* const from = w.from<u64>(i.at[1]);
  const u32* const have = i.at[2] == none ? nullptr : w.from<u32>(i.at[2]);
  const Options& options = w.block->machine->options;
  TESSERA_PTX_LANES if (w.mask >> l & 1) {
    const u32 shared = to[l] + static_cast<u32>(i.offset), source = have ? have[l] : i.size;
    const u64 global = from[l] + i.target;
    check(w, i, l, shared, global, source);
    const CopyInFlight c{shared - shared_base, l, i.size, source, w.committed[l], global};
    if (options.early_copies)
      land(w, c);
    else
      std::memset(w.block->shared.data() + c.shared, 0xff, c.bytes);
    if (options.shared_races) note_shared_access(w, i, l, c.shared, c.bytes, true);
    if (options.global_races && source) note_global_access(w, i, l, global, source, false);
    w.copies.push_back(c);
  }
}

void run_copy_commit(Warp& w, const Instruction&) { TESSERA_PTX_LANES w.committed[l] += w.mask >> l & 1; }

void run_copy_wait(Warp& w, const Instruction& i) {
  const Options& options = w.block->machine->options;
  std::size_t kept = 0;
  for (const CopyInFlight& c : w.copies) {
    // Groups 0 … committed − 1 are committed; all but the newest `target` of them must land.
    if ((w.mask >> c.lane & 1) && c.group + i.target < w.committed[c.lane]) {
      if (!options.early_copies) land(w, c);
      if (options.shared_races) note_shared_access(w, i, c.lane, c.shared, c.bytes, true);
    } else {
      w.copies[kept++] = c;
    }
  }
  w.copies.resize(kept);
}

}  // namespace tessera::ptx
