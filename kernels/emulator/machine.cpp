// Grids, blocks, threads, and the report when one of them goes wrong.
#include "kernels/emulator/machine.h"

#include <cstring>
#include <numeric>
#include <utility>

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

// ---- grids and blocks ------------------------------------------------------------------------------------------------

void Machine::run(const Launch& launch, void (*body)(void*), void* argument) {
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

void Machine::run_block(std::int64_t number, std::uint32_t seed) {
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
void Machine::poison_shared() {
  if (dynamic_shared_) std::memset(dynamic_shared_.get(), 0xff, launch_.shared_bytes);
  if (__start_tessera_shared)
    std::memset(__start_tessera_shared, 0xff, static_cast<std::size_t>(__stop_tessera_shared - __start_tessera_shared));
}

// ---- threads ---------------------------------------------------------------------------------------------------------

Thread* Machine::next() {
  Thread* const thread = block_.next();
  if (thread) {
    self_ = thread;
    threadIdx = thread->index;
  }
  return thread;
}

Fiber& Machine::fiber_of(Thread& thread) {
  if (thread.state != Thread::State::fresh) return *thread.fiber;
  if (idle_.empty()) {
    fibers_.push_back(std::make_unique<Fiber>(&Machine::fiber_main));
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
void Machine::fiber_main() {
  Fiber::started();
  Machine& machine = instance();
  for (;;) {
    Fiber* const fiber = machine.self_->fiber;
    machine.self_->state = Thread::State::ready;
    race::acquire(machine.block_.begun);
    machine.body_(machine.argument_);
    race::release(machine.block_.ended);
    if (!machine.own_copies().idle())
      machine.fault("a thread returns before it has waited for all of its asynchronous copies");
    machine.self_->state = Thread::State::returned;
    ++machine.block_.returned;
    Thread* const thread = machine.next();
    if (!thread && machine.block_.returned < machine.block_.count)
      machine.fault(
          "threads wait for others that have returned or wait elsewhere: a barrier or warp operation that not all reach");
    if (thread && thread->state == Thread::State::fresh && !race::checked) {
      thread->fiber = fiber;
      continue;
    }
    // Where races are checked a fiber stands for one thread of the block; the next block may use it again.
    (race::checked ? machine.used_ : machine.idle_).push_back(fiber);
    fiber->jump(thread ? machine.fiber_of(*thread) : *machine.main_);
  }
}

void Machine::yield() {
  Thread& me = *self_;
  Thread* const thread = next();
  if (!thread) fault("all threads wait: a barrier or warp operation that not all reach");
  if (thread != &me) me.fiber->jump(fiber_of(*thread));
}

// ---- faults ----------------------------------------------------------------------------------------------------------

std::string Machine::headline(const std::string& what) const {
  const auto size = [](auto d) {
    return "(" + std::to_string(d.x) + "," + std::to_string(d.y) + "," + std::to_string(d.z) + ")";
  };
  return "[" + std::string(launch_.op) + "] kernel launched at " + launch_.location.file + ":" +
         std::to_string(launch_.location.line) + ", grid " + size(launch_.grid) + ", blocks of " + size(launch_.block) +
         " threads, " + std::to_string(launch_.shared_bytes) + " bytes of dynamic shared memory: " + what;
}

void Machine::fault(const char* what, Location at) {
  const std::string block =
      "(" + std::to_string(blockIdx.x) + "," + std::to_string(blockIdx.y) + "," + std::to_string(blockIdx.z) + ")";
  report_ = headline(what) + (at.line != 0 ? std::string(" at ") + at.file + ":" + std::to_string(at.line) : "") +
            "\n  in block " + block + ", noticed by thread " + std::to_string(self_->number) + describe_threads(block_);
  self_->fiber->jump(*main_, true);
  std::abort();  // nobody jumps back
}

}  // namespace tessera::kernels::emulated
