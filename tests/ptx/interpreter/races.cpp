#include "tests/ptx/interpreter/races.h"

#include <sys/mman.h>

#include "tests/ptx/interpreter/warp.h"

namespace tessera::ptx {

GlobalRaces::~GlobalRaces() {
  if (shadow_) munmap(shadow_, device_span * sizeof(GlobalShadow));
}

GlobalShadow& GlobalRaces::at(u64 address) {
  if (!shadow_) {  // zeros, of which only pages that are touched exist
    void* const p = mmap(nullptr, device_span * sizeof(GlobalShadow), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw Fault(Fault::launch_failure, "no address space for the shadow of global memory");
    shadow_ = static_cast<GlobalShadow*>(p);
  }
  return shadow_[address - device_base];
}

void note_shared_access(Warp& w, const Instruction& i, u32 lane, u32 offset, u32 bytes, bool write) {
  Block& b = *w.block;
  const u16 thread = static_cast<u16>(w.index * lane_count + lane);
  for (u32 k = offset; k < offset + bytes; ++k) {
    SharedShadow& s = b.shadow[k];
    const bool after_write = s.write_epoch == b.epoch && s.writer != thread;
    const bool after_read = s.read_epoch == b.epoch && (s.many_readers || s.reader != thread);
    if (after_write || (write && after_read)) {
      if (b.machine->racing.insert(&i).second)
        b.machine->note("race in shared memory, offset " + std::to_string(k) + ", threads " + std::to_string(thread) +
                        " and " + std::to_string(after_write ? s.writer : s.reader) + ": " + b.kernel->place(i));
      return;
    }
    if (write) {
      s.write_epoch = b.epoch, s.writer = thread;
    } else {
      s.many_readers = s.read_epoch == b.epoch && (s.many_readers || s.reader != thread);
      s.read_epoch = b.epoch, s.reader = thread;
    }
  }
}

void note_global_access(Warp& w, const Instruction& i, u32 lane, u64 address, u32 bytes, bool write) {
  const Block& b = *w.block;
  Machine& machine = *b.machine;
  const u16 thread = static_cast<u16>(w.index * lane_count + lane);
  const u32 block = b.index[0] + b.launch->grid.x * (b.index[1] + b.launch->grid.y * b.index[2]);
  const u32 launch = static_cast<u32>(machine.launches);
  for (u64 k = address; k < address + bytes; ++k) {
    GlobalShadow& s = machine.global_races.at(k);
    // A read past the coherent caches (ld.global.nc) may not meet a write of the same launch at all.
    const bool after_write = s.write_launch == launch &&
                             (s.write_block != block || i.noncoherent || (s.write_epoch == b.epoch && s.writer != thread));
    const bool after_read = write && s.read_launch == launch &&
                            (s.many_blocks || s.read_block != block || s.noncoherent ||
                             (s.read_epoch == b.epoch && (s.many_readers || s.reader != thread)));
    if (after_write || after_read) {
      if (machine.racing.insert(&i).second)
        machine.note(std::string("race in global memory between ") +
                     (after_write     ? "a write"
                      : s.noncoherent ? "a non-coherent read"
                                      : "a read") +
                     " of block " + std::to_string(after_write ? s.write_block : s.read_block) + " thread " +
                     std::to_string(after_write ? s.writer : s.reader) + " and block " + std::to_string(block) + " thread " +
                     std::to_string(thread) + ": " + b.kernel->place(i));
      return;
    }
    if (write) {
      s.write_launch = launch, s.write_epoch = b.epoch, s.write_block = block, s.writer = thread;
    } else {
      const bool again = s.read_launch == launch;
      s.many_blocks = again && (s.many_blocks || s.read_block != block);
      s.many_readers = again && s.read_epoch == b.epoch && (s.many_readers || s.reader != thread);
      s.noncoherent = (again && s.noncoherent) || i.noncoherent;
      s.read_launch = launch, s.read_epoch = b.epoch, s.read_block = block, s.reader = thread;
    }
  }
}

}  // namespace tessera::ptx
