// What kernels compiled as C++ call into: the threads of one block as fibers of one OS thread, with CUDA's barriers.
//
// A kernel runs block by block; the threads of a block run one at a time and change over only inside barriers and warp
// collectives, in the order that emulator.h's Schedule asks for. A thread that reaches no barrier never leaves its fiber:
// the next thread starts on the same stack, so kernels without barriers cost a function call per thread.
#pragma once

#include <cstddef>

namespace tessera::kernels::emulated {

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

// CUDA's built-in variables; the scheduler sets them before it resumes a thread.
extern constinit uint3 threadIdx, blockIdx;
extern constinit dim3 blockDim, gridDim;
inline constexpr int warpSize = 32;

// A place in the source. As a default argument, here() is the place of the call.
struct Location {
  const char* file = "";
  int line = 0;
  static constexpr Location here(const char* file_ = __builtin_FILE(), int line_ = __builtin_LINE()) {
    return {file_, line_};
  }
};

struct Launch {
  dim3 grid, block;
  std::size_t shared_bytes;
  const char* op;     // the launcher, for reports
  Location location;  // of the launch, for reports
};

// Runs body(argument) once per thread of the grid. Throws KernelFault; the kernel's other threads are then abandoned.
void run_grid(const Launch& launch, void (*body)(void*), void* argument);

template <class Thread>
void run_grid(const Launch& launch, Thread& thread) {
  run_grid(
      launch, [](void* t) { (*static_cast<Thread*>(t))(); }, const_cast<void*>(static_cast<const void*>(&thread)));
}

// Ends the running kernel with a report of where each of the block's threads is.
[[noreturn]] void fault(const char* what);
[[noreturn]] void fault(const char* what, Location at);  // `at`: the line that is to blame

void count_synchronization();  // for counters()

void* dynamic_shared_memory();
int current_lane();

void block_barrier(Location at);
bool block_vote(bool vote, Location at);  // a barrier; true where any thread's vote is true

// The bytes at `address` were changed atomically: several blocks may do so.
void note_atomic(const void* address, std::size_t bytes);

// Faults unless these bytes can be read or written as shared memory: aligned to their number, and neither device memory nor
// a thread's own.
void require_shared(const void* memory, std::size_t bytes, Location at);

// The running thread's asynchronous copies, device memory to shared memory (cuda/async_copy.h). They happen when the
// Schedule says; a thread that returns before it has waited for all of its copies is a fault.
void start_copy(void* shared, const void* global, std::size_t bytes, bool valid, Location at);
void commit_copies();               // those since the last commit become one group
void wait_for_copies(int pending);  // until at most the `pending` newest groups are still under way

// The halves of warp_collective. arrive: true for the last lane of `mask` to come; it finds everyone's slot in slots[32],
// does the work for all and then calls depart. The other lanes sleep in arrive until then.
bool warp_arrive(unsigned& mask, void* slot, const char* what, Location at, void** slots);
void warp_depart(unsigned mask);

// An operation that the lanes of `mask` do together, each bringing a slot of its own: the last lane to arrive runs
// combine(slots, lanes), where slots[i] is lane i's. Shuffles, votes and matrix instructions are one combine each.
template <class Slot, class Combine>
void warp_collective(unsigned mask, Slot& slot, const char* what, Location at, Combine combine) {
  void* parked[32] = {};
  if (!warp_arrive(mask, &slot, what, at, parked)) return;
  Slot* slots[32];
  for (int lane = 0; lane < 32; ++lane) slots[lane] = static_cast<Slot*>(parked[lane]);
  combine(slots, mask);
  warp_depart(mask);
}

}  // namespace tessera::kernels::emulated
