#include "kernels/emulator/scheduler.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <numeric>
#include <utility>
#include <vector>

#include "kernels/emulator/block.h"
#include "kernels/emulator/emulator.h"
#include "kernels/emulator/memory.h"
#include "kernels/emulator/race.h"

// The bounds of the section that __shared__ variables lie in; the linker defines them where the section exists.
extern "C" {
extern char __start_tessera_shared[] __attribute__((weak));
extern char __stop_tessera_shared[] __attribute__((weak));
}

namespace tessera::kernels::emulated {

constinit uint3 threadIdx{}, blockIdx{};
constinit dim3 blockDim{}, gridDim{};

namespace {

// Everything that lasts longer than a launch, and the launch that is running.
class Emulator {
 public:
  static Emulator& instance() {
    static Emulator emulator;
    return emulator;
  }

  void run(const Launch& launch, void (*body)(void*), void* argument);
  [[noreturn]] void fault(const char* what, Location at = {});
  void barrier(Location at, bool vote);
  bool warp_arrive(unsigned& mask, void* slot, const char* what, Location at, void** slots);
  void warp_depart(unsigned mask);
  void require_shared(const void* memory, std::size_t bytes, Location at);
  void start_copy(const CopyQueue::Copy& copy, Location at, const void* pc);
  CopyQueue& own_copies() { return block_.copies[self_->number]; }
  Thread& self() { return *self_; }
  void* dynamic_shared() { return dynamic_shared_.get(); }
  bool write_sets() const { return schedule.write_sets; }

  std::mutex running;  // kernels run one at a time
  Schedule schedule;
  std::int64_t launches = 0, copies = 0;
  std::atomic<std::int64_t> synchronizations = 0;

 private:
  void run_block(std::int64_t number, std::uint32_t seed);
  void poison_shared();
  static bool in_device_memory(const void* memory, std::size_t bytes);
  std::string headline(const std::string& what) const;

  Thread* next();
  void yield();
  Fiber& fiber_of(Thread& thread);
  static void fiber_main();

  // Lists of fibers never grow while a kernel runs: for a race checker, growing would be an access by one of its threads.
  Emulator() {
    fibers_.reserve(max_block_threads);
    idle_.reserve(max_block_threads);
    used_.reserve(max_block_threads);
  }

  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };

  Block block_;
  Thread* self_ = nullptr;  // the thread that runs; null outside kernels
  Fiber* main_ = nullptr;   // where the launch was called
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_;  // of fibers_: at the top of fiber_main's loop
  std::vector<Fiber*> used_;  // those too, but not for this block
  std::string report_;        // of a fault in a thread, on its way to run_block

  Launch launch_{};
  void (*body_)(void*) = nullptr;
  void* argument_ = nullptr;
  std::unique_ptr<void, Free> dynamic_shared_;
};

// ---- grids and blocks ------------------------------------------------------------------------------------------------

void Emulator::run(const Launch& launch, void (*body)(void*), void* argument) {
  launch_ = launch;
  body_ = body;
  argument_ = argument;
  ++launches;
  const dim3 g = launch.grid, b = launch.block;
  const std::uint64_t threads = std::uint64_t{b.x} * b.y * b.z;
  if (threads == 0 || threads > max_block_threads || b.z > 64 || g.x > 0x7fffffffu || g.y > 65535 || g.z > 65535 ||
      launch.shared_bytes > 227 * 1024)
    throw KernelFault(
        headline("no GPU has such a launch: blocks have 1 to 1024 threads and at most 227 KiB of shared memory, "
                 "grids at most 2147483647 x 65535 x 65535 blocks"));

  Fiber here;
  main_ = &here;
  blockDim = b;
  gridDim = g;
  void* shared = nullptr;  // exactly as many bytes as asked for, so that AddressSanitizer sees the end
  if (launch.shared_bytes != 0 && posix_memalign(&shared, 128, launch.shared_bytes) != 0)
    throw OutOfMemory(headline("no memory for dynamic shared memory"));
  dynamic_shared_.reset(shared);

  if (schedule.write_sets) DeviceMemory::instance().begin_write_sets();
  const std::int64_t blocks = std::int64_t{g.x} * g.y * g.z;
  std::int64_t stride = 7919;  // coprime to the number of blocks: i·stride + seed visits each once
  while (std::gcd(stride, blocks) != 1) stride += 2;
  for (std::int64_t i = 0; i < blocks; ++i) {
    std::int64_t number = i;
    if (schedule.order == Order::reverse) number = blocks - 1 - i;
    if (schedule.order == Order::random) number = (i * stride + schedule.seed) % blocks;
    run_block(number, schedule.seed * 7919u + static_cast<std::uint32_t>(i));
    if (!schedule.write_sets) continue;
    const std::string conflict = DeviceMemory::instance().end_of_block(number);
    if (!conflict.empty()) throw KernelFault(headline(conflict));
  }
  if (schedule.write_sets) DeviceMemory::instance().end_write_sets();
}

void Emulator::run_block(std::int64_t number, std::uint32_t seed) {
  const std::int64_t x = gridDim.x, y = gridDim.y;
  blockIdx = {static_cast<unsigned>(number % x), static_cast<unsigned>(number / x % y),
              static_cast<unsigned>(number / (x * y))};
  poison_shared();
  block_.begin(launch_.block, schedule, seed);
  Fiber& first = fiber_of(*next());
  race::release(block_.begun);
  main_->jump(first);
  race::acquire(block_.ended);
  self_ = nullptr;
  idle_.insert(idle_.end(), used_.begin(), used_.end());
  used_.clear();
  if (report_.empty()) return;
  // Threads that did not come to their end are given up together with their stacks.
  for (const auto& fiber : fibers_) fiber->give_up(*main_);
  idle_.clear();
  fibers_.clear();
  throw KernelFault(std::exchange(report_, {}));
}

// What the block before left in shared memory must not help this one.
void Emulator::poison_shared() {
  if (dynamic_shared_) std::memset(dynamic_shared_.get(), 0xff, launch_.shared_bytes);
  if (__start_tessera_shared)
    std::memset(__start_tessera_shared, 0xff, static_cast<std::size_t>(__stop_tessera_shared - __start_tessera_shared));
}

// ---- threads ---------------------------------------------------------------------------------------------------------

Thread* Emulator::next() {
  Thread* const thread = block_.next();
  if (thread) {
    self_ = thread;
    threadIdx = thread->index;
  }
  return thread;
}

Fiber& Emulator::fiber_of(Thread& thread) {
  if (thread.state != Thread::State::fresh) return *thread.fiber;
  if (idle_.empty()) {
    fibers_.push_back(std::make_unique<Fiber>(&Emulator::fiber_main));
    if (!fibers_.back()->valid()) {
      fibers_.pop_back();
      if (fibers_.empty()) throw OutOfMemory(headline("no memory for a thread's stack"));  // still outside the kernel
      fault("no memory for one more thread's stack");
    }
    idle_.push_back(fibers_.back().get());
  }
  thread.fiber = idle_.back();
  idle_.pop_back();
  return *thread.fiber;
}

// Runs threads to their end, one after another, as long as the next one has not started elsewhere.
void Emulator::fiber_main() {
  Fiber::started();
  Emulator& e = instance();
  for (;;) {
    Fiber* const fiber = e.self_->fiber;
    e.self_->state = Thread::State::ready;
    race::acquire(e.block_.begun);
    e.body_(e.argument_);
    race::release(e.block_.ended);
    if (!e.own_copies().idle()) e.fault("a thread returns before it has waited for all of its asynchronous copies");
    e.self_->state = Thread::State::returned;
    ++e.block_.returned;
    Thread* const thread = e.next();
    if (!thread && e.block_.returned < e.block_.count)
      e.fault(
          "threads wait for others that have returned or wait elsewhere: a barrier or warp operation that not all reach");
    if (thread && thread->state == Thread::State::fresh && !race::checked) {
      thread->fiber = fiber;
      continue;
    }
    // Where races are checked a fiber stands for one thread of the block; the next block may use it again.
    (race::checked ? e.used_ : e.idle_).push_back(fiber);
    fiber->jump(thread ? e.fiber_of(*thread) : *e.main_);
  }
}

void Emulator::yield() {
  Thread& me = *self_;
  Thread* const thread = next();
  if (!thread) fault("all threads wait: a barrier or warp operation that not all reach");
  if (thread != &me) me.fiber->jump(fiber_of(*thread));
}

// ---- barriers --------------------------------------------------------------------------------------------------------

void Emulator::barrier(Location at, bool vote) {
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

bool Emulator::warp_arrive(unsigned& mask, void* slot, const char* what, Location at, void** slots) {
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

void Emulator::warp_depart(unsigned mask) {
  race::release(block_.warps[self_->warp()].out);
  block_.release_lanes(self_->warp(), mask, schedule);
}

// ---- asynchronous copies ----------------------------------------------------------------------------------------------

bool Emulator::in_device_memory(const void* memory, std::size_t bytes) {
  const race::Unseen unseen;  // a lock is taken
  return DeviceMemory::instance().holds(memory, bytes);
}

void Emulator::require_shared(const void* memory, std::size_t bytes, Location at) {
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

void Emulator::start_copy(const CopyQueue::Copy& copy, Location at, const void* pc) {
  ++copies;
  require_shared(copy.to, copy.bytes, at);
  if (reinterpret_cast<std::uintptr_t>(copy.from) % copy.bytes != 0)
    fault("the source of an asynchronous copy is not aligned to the bytes it copies", at);
  if (copy.valid && !in_device_memory(copy.from, copy.bytes))
    fault("the source of an asynchronous copy is not inside device memory", at);
  own_copies().issue(copy, schedule.copies, pc);
}

// ---- faults ----------------------------------------------------------------------------------------------------------

std::string Emulator::headline(const std::string& what) const {
  const auto size = [](auto d) {
    return "(" + std::to_string(d.x) + "," + std::to_string(d.y) + "," + std::to_string(d.z) + ")";
  };
  return "[" + std::string(launch_.op) + "] kernel launched at " + launch_.location.file + ":" +
         std::to_string(launch_.location.line) + ", grid " + size(launch_.grid) + ", blocks of " + size(launch_.block) +
         " threads, " + std::to_string(launch_.shared_bytes) + " bytes of dynamic shared memory: " + what;
}

void Emulator::fault(const char* what, Location at) {
  const std::string block =
      "(" + std::to_string(blockIdx.x) + "," + std::to_string(blockIdx.y) + "," + std::to_string(blockIdx.z) + ")";
  report_ = headline(what) + (at.line != 0 ? std::string(" at ") + at.file + ":" + std::to_string(at.line) : "") +
            "\n  in block " + block + ", noticed by thread " + std::to_string(self_->number) + describe_threads(block_);
  self_->fiber->jump(*main_, true);
  std::abort();  // nobody jumps back
}

}  // namespace

// ---- the interface to kernels -----------------------------------------------------------------------------------------

void run_grid(const Launch& launch, void (*body)(void*), void* argument) {
  Emulator& emulator = Emulator::instance();
  const std::lock_guard lock(emulator.running);
  emulator.run(launch, body, argument);
}

void fault(const char* what) { Emulator::instance().fault(what); }
void fault(const char* what, Location at) { Emulator::instance().fault(what, at); }
void* dynamic_shared_memory() { return Emulator::instance().dynamic_shared(); }
int current_lane() { return static_cast<int>(Emulator::instance().self().lane()); }
void block_barrier(Location at) { Emulator::instance().barrier(at, false); }
bool block_vote(bool vote, Location at) {
  Emulator::instance().barrier(at, vote);
  return Emulator::instance().self().vote;
}
void note_atomic(const void* address, std::size_t bytes) {
  const race::Unseen unseen;
  if (Emulator::instance().write_sets()) DeviceMemory::instance().note_atomic(address, bytes);
}
void require_shared(const void* memory, std::size_t bytes, Location at) {
  Emulator::instance().require_shared(memory, bytes, at);
}
void start_copy(void* shared, const void* global, std::size_t bytes, bool valid, Location at) {
  Emulator::instance().start_copy({shared, global, bytes, valid}, at, __builtin_return_address(0));
}
void commit_copies() { Emulator::instance().own_copies().commit(); }
void wait_for_copies(int pending) { Emulator::instance().own_copies().wait(pending, __builtin_return_address(0)); }
void count_synchronization() { ++Emulator::instance().synchronizations; }
bool warp_arrive(unsigned& mask, void* slot, const char* what, Location at, void** slots) {
  return Emulator::instance().warp_arrive(mask, slot, what, at, slots);
}
void warp_depart(unsigned mask) { Emulator::instance().warp_depart(mask); }

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
  const std::lock_guard lock(Emulator::instance().running);
  before_ = std::exchange(Emulator::instance().schedule, schedule);
}
ScopedSchedule::~ScopedSchedule() {
  const std::lock_guard lock(Emulator::instance().running);
  Emulator::instance().schedule = before_;
}

Counters counters() {
  Emulator& emulator = Emulator::instance();
  const std::lock_guard lock(emulator.running);
  const DeviceMemory& memory = DeviceMemory::instance();
  return {emulator.launches, memory.allocations(), memory.releases(), emulator.synchronizations, emulator.copies};
}

}  // namespace tessera::kernels::emulated
