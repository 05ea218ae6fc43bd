// What threads do together or to shared memory: barriers, warp operations, asynchronous copies.
#include <cstring>

#include "kernels/emulator/machine.h"
#include "kernels/emulator/memory.h"
#include "kernels/emulator/race.h"

namespace tessera::kernels::emulated {

// ---- barriers --------------------------------------------------------------------------------------------------------

void Machine::barrier(Location at, bool vote) {
  Thread& me = *self_;
  me.at = at;
  me.what = "__syncthreads";
  me.state = Thread::State::at_barrier;
  block_.vote = block_.vote || vote;
  race::release(block_.in);
  if (++block_.at_barrier == block_.count) {
    race::acquire(block_.in);
    for (unsigned i = 0; i < block_.count; ++i)
      if (!same_place(block_.threads[i].at, at)) fault("threads of one block are in different barriers");
    block_.release_barrier(schedule);
    race::release(block_.out);
  }
  yield();
  race::acquire(block_.out);
}

bool Machine::warp_arrive(unsigned& mask, void* slot, const char* what, Location at, void** slots) {
  Thread& me = *self_;
  Block::Warp& warp = block_.warps[me.warp()];
  mask &= warp.members;
  me.at = at;
  me.what = what;
  me.slot = slot;
  me.mask = mask;
  if (!(mask >> me.lane() & 1u)) fault("a lane calls a warp operation whose mask leaves it out");
  warp.arrived |= 1u << me.lane();
  race::release(warp.in);
  if ((warp.arrived & mask) != mask) {
    me.state = Thread::State::at_warp;
    yield();
    race::acquire(warp.out);
    return false;
  }
  race::acquire(warp.in);
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (!(mask >> lane & 1u)) continue;
    const Thread& other = block_.threads[me.warp() * 32 + lane];
    if (std::strcmp(other.what, what) != 0 || other.mask != mask || !same_place(other.at, at))
      fault("lanes of one warp are in different warp operations, or name different masks");
    slots[lane] = other.slot;
  }
  return true;
}

void Machine::warp_depart(unsigned mask) {
  race::release(block_.warps[self_->warp()].out);
  block_.release_lanes(self_->warp(), mask, schedule);
}

// ---- asynchronous copies ----------------------------------------------------------------------------------------------

bool Machine::in_device_memory(const void* memory, std::size_t bytes) {
  const race::Unseen unseen;  // a lock is taken
  return DeviceMemory::instance().holds(memory, bytes);
}

void Machine::require_shared(const void* memory, std::size_t bytes, Location at) {
  const auto* const first = static_cast<const char*>(memory);
  const auto* const dynamic = static_cast<const char*>(dynamic_shared_.get());
  if (reinterpret_cast<std::uintptr_t>(memory) % bytes != 0)
    fault("an address in shared memory that is not aligned to the bytes it stands for", at);
  if (dynamic && first >= dynamic && first < dynamic + launch_.shared_bytes) {
    if (bytes > static_cast<std::size_t>(dynamic + launch_.shared_bytes - first))
      fault("beyond the end of dynamic shared memory", at);
  } else if (self_->fiber->holds(memory) || in_device_memory(memory, 1)) {
    fault("an address in shared memory is needed, and this is not one", at);
  }
}

void Machine::start_copy(const CopyQueue::Copy& copy, Location at, const void* pc) {
  ++copies;
  require_shared(copy.to, copy.bytes, at);
  if (reinterpret_cast<std::uintptr_t>(copy.from) % copy.bytes != 0)
    fault("the source of an asynchronous copy is not aligned to the bytes it copies", at);
  if (copy.valid && !in_device_memory(copy.from, copy.bytes))
    fault("the source of an asynchronous copy is not inside device memory", at);
  own_copies().issue(copy, schedule.copies, pc);
}

}  // namespace tessera::kernels::emulated
