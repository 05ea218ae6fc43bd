// SIGINT and SIGTERM as a flag that the engine polls. No signal handler and no global: a thread waits for them.
#pragma once

#include <atomic>
#include <thread>

namespace tessera {

// Make one before any other thread starts: threads inherit the blocked signals. The first signal sets the flag; a second
// one ends the process at once with 130 or 143.
class StopOnSignal {
 public:
  StopOnSignal();
  ~StopOnSignal();
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;

  const std::atomic<bool>* flag() const { return &stopped_; }
  int exit_code() const { return 128 + signal_; }  // 130 or 143; call after the flag is set

 private:
  void wait();

  std::atomic<bool> stopped_{false}, leaving_{false};
  std::atomic<int> signal_{0};
  std::thread waiter_;
};

}  // namespace tessera
