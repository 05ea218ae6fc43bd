#include "tests/ptx/interpreter/access.h"

#include <cstdio>

namespace tessera::ptx {

bool in_one_block(const Warp& w, const Instruction& i, u64 address, u64 bytes) {
  const DeviceMemory& memory = w.block->machine->memory;
  if (i.block_generation != memory.generation() || address < i.block_begin || address + bytes > i.block_end) {
    const DeviceMemory::Block block = memory.find(address);
    if (!block || address + bytes > block.end) return false;
    i.block_begin = block.begin, i.block_end = block.end, i.block_generation = memory.generation();
  }
  return true;
}

void fault_misaligned(const Warp& w, const Instruction& i, const u64 (&a)[lane_count], u32 bytes) {
  u32 lane = 0;
  while (!(w.mask >> lane & 1) || !(a[lane] & (bytes - 1))) ++lane;
  char text[80];
  std::snprintf(text, sizeof text, "misaligned access of %u bytes at %#llx", bytes,
                static_cast<unsigned long long>(a[lane]));
  fault(w, i, Fault::misaligned_address, text, lane);
}

void fault_shared(const Warp& w, const Instruction& i, const u64 (&a)[lane_count], u32 bytes) {
  const u32 end = shared_base + w.block->shared_bytes;
  u32 lane = 0;
  while (!(w.mask >> lane & 1) || (a[lane] >= shared_base && a[lane] + bytes <= end)) ++lane;
  fault(w, i, Fault::illegal_address,
        "access to shared memory at offset " + std::to_string(static_cast<i64>(a[lane]) - shared_base) + " of " +
            std::to_string(w.block->shared_bytes),
        lane);
}

void check_global(const Warp& w, const Instruction& i, const u64 (&a)[lane_count], u32 bytes) {
  const DeviceMemory& memory = w.block->machine->memory;
  TESSERA_PTX_LANES if ((w.mask >> l & 1) && !in_one_block(w, i, a[l], bytes)) {
    DeviceMemory::Block near;
    for (const u64 back : {0, 1, 128})  // the block that it runs over
      if (!near) near = memory.find(a[l] - back);
    char text[160];
    std::snprintf(text, sizeof text, "access of %u bytes at %#llx: ", bytes, static_cast<unsigned long long>(a[l]));
    fault(w, i, Fault::illegal_address,
          text + (near ? "offset " + std::to_string(a[l] - near.begin) + " of an allocation of " +
                             std::to_string(near.end - near.begin)
                       : std::string("no allocation")),
          l);
  }
}

void check_written(const Warp& w, const Instruction& i, u64 address, u32 bytes) {
  for (u32 b = 0; b < bytes; ++b)
    if (!w.block->machine->memory.is_written(address + b))
      return w.block->machine->note("a read of global memory that nobody wrote, in " + demangled(w.block->kernel->name) +
                                    ": " + w.block->kernel->place(i));
}

}  // namespace tessera::ptx
