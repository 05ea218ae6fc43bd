// The state of the one block that is running: where each thread stands, who waits for whom, and in which order they are
// looked at.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "kernels/emulator/copy_queue.h"
#include "kernels/emulator/emulator.h"
#include "kernels/emulator/fiber.h"
#include "kernels/emulator/scheduler.h"

namespace tessera::kernels::emulated {

inline constexpr unsigned max_block_threads = 1024;

struct Thread {
  enum class State : std::uint8_t { fresh, ready, at_barrier, at_warp, returned };

  uint3 index{};
  unsigned number = 0;  // along x, then y, then z
  State state = State::fresh;
  Fiber* fiber = nullptr;  // from its first step on
  // Where it waits, or last waited.
  Location at{};
  const char* what = "";
  unsigned mask = 0;     // of a warp collective: the lanes that take part
  void* slot = nullptr;  // and what this lane brings
  bool vote = false;     // the last barrier's result

  bool runnable() const { return state == State::fresh || state == State::ready; }
  unsigned lane() const { return number % 32; }
  unsigned warp() const { return number / 32; }
};

struct Block {
  std::array<Thread, max_block_threads> threads;
  std::array<CopyQueue, max_block_threads> copies;  // of each thread
  unsigned count = 0;
  unsigned returned = 0;

  unsigned at_barrier = 0;
  bool vote = false;  // of those that have come to the barrier
  struct Warp {
    unsigned members = 0, arrived = 0;  // lanes
    char in = 0, out = 0;
  };
  std::array<Warp, max_block_threads / 32> warps;

  // What race.h's orders go through: threads begin after `begun` and end before `ended` (two objects: a thread that ends
  // must not come before one that begins later); they arrive at a barrier by `in` and leave by `out`.
  char begun = 0, ended = 0, in = 0, out = 0;

  // Sets all threads back to fresh. `seed` is of this block's random order.
  void begin(dim3 size, const Schedule& schedule, std::uint32_t seed);
  // The barrier lets all threads go, in a new order where the order is random.
  void release_barrier(const Schedule& schedule);
  // A warp operation lets its lanes go.
  void release_lanes(unsigned warp, unsigned lanes, const Schedule& schedule);
  // Who runs next, or null where nobody can.
  Thread* next();

 private:
  void shuffle();
  std::uint32_t draw();

  std::array<unsigned, max_block_threads> order_{};
  unsigned position_ = 0;  // in order_: who was looked at last; greedy: nobody before it can run
  std::uint32_t random_ = 0;
};

bool same_place(const Location& a, const Location& b);

// One line per group of neighbouring threads that do the same.
std::string describe_threads(const Block& block);

}  // namespace tessera::kernels::emulated
