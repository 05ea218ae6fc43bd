// The machine's two faces: to kernels (scheduler.h) and to tests (emulator.h).
#include "kernels/emulator/scheduler.h"

#include <utility>

#include "kernels/emulator/emulator.h"
#include "kernels/emulator/machine.h"
#include "kernels/emulator/memory.h"
#include "kernels/emulator/race.h"

namespace tessera::kernels::emulated {

// ---- the interface to kernels -----------------------------------------------------------------------------------------

void run_grid(const Launch& launch, void (*body)(void*), void* argument) {
  Machine& machine = Machine::instance();
  const std::lock_guard lock(machine.running);
  machine.run(launch, body, argument);
}

void fault(const char* what) { Machine::instance().fault(what); }
void fault(const char* what, Location at) { Machine::instance().fault(what, at); }
void* dynamic_shared_memory() { return Machine::instance().dynamic_shared(); }
int current_lane() { return static_cast<int>(Machine::instance().self().lane()); }
void block_barrier(Location at) { Machine::instance().barrier(at, false); }
bool block_vote(bool vote, Location at) {
  Machine::instance().barrier(at, vote);
  return Machine::instance().self().vote;
}
void note_atomic(const void* address, std::size_t bytes) {
  const race::Unseen unseen;
  if (Machine::instance().write_sets()) DeviceMemory::instance().note_atomic(address, bytes);
}
void require_shared(const void* memory, std::size_t bytes, Location at) {
  Machine::instance().require_shared(memory, bytes, at);
}
void start_copy(void* shared, const void* global, std::size_t bytes, bool valid, Location at) {
  Machine::instance().start_copy({shared, global, bytes, valid}, at, __builtin_return_address(0));
}
void commit_copies() { Machine::instance().own_copies().commit(); }
void wait_for_copies(int pending) { Machine::instance().own_copies().wait(pending, __builtin_return_address(0)); }
void count_synchronization() { ++Machine::instance().synchronizations; }
bool warp_arrive(unsigned& mask, void* slot, const char* what, Location at, void** slots) {
  return Machine::instance().warp_arrive(mask, slot, what, at, slots);
}
void warp_depart(unsigned mask) { Machine::instance().warp_depart(mask); }

// ---- the interface to tests --------------------------------------------------------------------------------------------

std::string describe(const Schedule& s) {
  const char* const order[] = {"forward", "reverse", "random"};
  return std::string(order[static_cast<int>(s.order)]) + (s.policy == Policy::greedy ? ", greedy" : ", round robin") +
         (s.copies == Copies::late ? ", late copies" : ", early copies") +
         (s.order == Order::random ? ", seed " + std::to_string(s.seed) : "") + (s.write_sets ? ", write sets" : "");
}

std::vector<Schedule> all_schedules() {
  std::vector<Schedule> all;
  for (Order order : {Order::forward, Order::reverse, Order::random})
    for (Policy policy : {Policy::round_robin, Policy::greedy})
      for (Copies copies : {Copies::late, Copies::early})
        all.push_back({.order = order, .policy = policy, .copies = copies});
  return all;
}

ScopedSchedule::ScopedSchedule(const Schedule& schedule) {
  const std::lock_guard lock(Machine::instance().running);
  before_ = std::exchange(Machine::instance().schedule, schedule);
}
ScopedSchedule::~ScopedSchedule() {
  const std::lock_guard lock(Machine::instance().running);
  Machine::instance().schedule = before_;
}

Counters counters() {
  Machine& machine = Machine::instance();
  const std::lock_guard lock(machine.running);
  const DeviceMemory& memory = DeviceMemory::instance();
  return {machine.launches, memory.allocations(), memory.releases(), machine.synchronizations, machine.copies};
}

}  // namespace tessera::kernels::emulated
