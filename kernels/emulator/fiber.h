// A stack of its own to run on: control goes from fiber to fiber by an explicit jump, never by preemption.
#pragma once

#include <cstddef>

namespace tessera::kernels::emulated {

class Fiber {
 public:
  // The stack that the caller is running on.
  Fiber();
  // A new stack on which the first jump starts `entry`, which must never return. Below it lies a page that no one may
  // touch, so that an overflow stops the program instead of changing other data. Check valid(): there may be no memory.
  explicit Fiber(void (*entry)());
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  bool valid() const { return low_ != nullptr; }
  // Is this address on the fiber's own stack?
  bool holds(const void* address) const { return owned_ && address >= low_ && address < low_ + bytes_; }

  // Goes on in `to` where it last left off, until somebody jumps back here. `forever`: nobody will.
  void jump(Fiber& to, bool forever = false);
  // To be called first thing in an entry function.
  static void started();
  // This fiber is given up while `running` runs: what it has done up to now counts as done before what `running` does next.
  void give_up(Fiber& running);

 private:
  void* stack_pointer_ = nullptr;  // while it is not running
  char* low_ = nullptr;            // lowest usable address
  std::size_t bytes_ = 0;
  bool owned_ = false;
  [[maybe_unused]] void* fake_stack_ = nullptr;  // AddressSanitizer's
  [[maybe_unused]] void* context_ = nullptr;     // ThreadSanitizer's
};

}  // namespace tessera::kernels::emulated
