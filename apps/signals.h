// Signals as flags that the engine polls. No signal handler and no global: a thread waits for them.
//
//   INT, TERM, HUP    stop at the next step or batch; a training saves first. INT or TERM after that: end at once
//   PIPE, XFSZ        a reader is gone, or a file may grow no more: stop likewise
//   USR1              save a checkpoint and go on
#pragma once

#include <atomic>
#include <thread>

namespace tessera {

// Make one before any other thread starts: threads inherit the blocked signals.
class SignalFlags {
 public:
  SignalFlags();
  ~SignalFlags();
  SignalFlags(const SignalFlags&) = delete;
  SignalFlags& operator=(const SignalFlags&) = delete;

  const std::atomic<bool>* stop() const { return &stopped_; }
  std::atomic<bool>* save() { return &save_; }     // its reader resets it
  int exit_code() const { return 128 + signal_; }  // of the signal that stopped; call after the flag is set

  // A file or pipe that this thread wrote to has raised PIPE or XFSZ (blocked, it shows as a failed write): the exit code
  // of that signal, else 0.
  static int failed_write();

 private:
  void wait();

  std::atomic<bool> stopped_{false}, save_{false}, leaving_{false};
  std::atomic<int> signal_{0};
  std::thread waiter_;
};

}  // namespace tessera
