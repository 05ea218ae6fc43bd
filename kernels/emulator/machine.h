// The emulated GPU: what outlasts a launch, and the launch that is running.
//
// run() goes through the grid block by block; the threads of a block are fibers of the calling OS thread (fiber.h), of which
// one runs at a time. Block (block.h) decides who is next; a thread gives way inside barrier() and warp_arrive() only.
// scheduler.h is the face that kernels see of it, emulator.h the one for tests.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kernels/emulator/block.h"
#include "kernels/emulator/emulator.h"

namespace tessera::kernels::emulated {

class Machine {
 public:
  static Machine& instance() {
    static Machine machine;
    return machine;
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
  Machine() {
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

}  // namespace tessera::kernels::emulated
