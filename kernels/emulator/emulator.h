// What tests ask of the emulator: in which order threads run, what is checked besides, what was counted.
//
// The state of the emulator is that of the whole process, as a driver's is: kernels run one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/errors.h"

namespace tessera::kernels::emulated {

// A kernel did what no GPU allows or what would make it hang. what() names the launch, the block, and for each thread the
// line where it stands.
class KernelFault : public DeviceError {
 public:
  using DeviceError::DeviceError;
};

// In which order the threads of a block are looked at, and the blocks of a grid run.
enum class Order : std::uint8_t { forward, reverse, random };

// Who goes on when a thread stops at a barrier. round_robin: the next runnable thread, so that all advance evenly.
// greedy: the first runnable thread, so that one warp runs as far ahead as barriers let it.
enum class Policy : std::uint8_t { round_robin, greedy };

// When an asynchronous copy (cuda/async_copy.h) happens. A GPU promises only that it is after its issue and before the end
// of the wait that covers it. late: at that wait; who reads before finds what was there. early: at its issue; who still
// needs what was there finds it gone.
enum class Copies : std::uint8_t { late, early };

struct Schedule {
  Order order = Order::forward;
  Policy policy = Policy::round_robin;
  Copies copies = Copies::late;
  std::uint32_t seed = 1;   // of the random order
  bool write_sets = false;  // after every block: has it changed a byte that another block changed? (slow)
};

std::string describe(const Schedule& schedule);

// Every order with every policy and every time of copies. A correct kernel gives the same bits under all of them; a kernel
// with a missing barrier does not, save by luck.
std::vector<Schedule> all_schedules();

// In force until the end of its scope. Before and after: what was in force before (at first Schedule{}).
class ScopedSchedule {
 public:
  explicit ScopedSchedule(const Schedule& schedule);
  ~ScopedSchedule();
  ScopedSchedule(const ScopedSchedule&) = delete;
  ScopedSchedule& operator=(const ScopedSchedule&) = delete;

 private:
  Schedule before_;
};

// Since the start of the process.
struct Counters {
  std::int64_t launches = 0;
  std::int64_t allocations = 0;
  std::int64_t releases = 0;
  std::int64_t synchronizations = 0;
  std::int64_t copies = 0;  // asynchronous ones, by threads of kernels
};
Counters counters();

}  // namespace tessera::kernels::emulated
