#include "apps/signals.h"

#include <unistd.h>
#include <csignal>
#include <ctime>

namespace tessera {
namespace {

sigset_t awaited() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ, SIGUSR1}) sigaddset(&set, signal);
  return set;
}

}  // namespace

SignalFlags::SignalFlags() {
  const sigset_t set = awaited();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  waiter_ = std::thread([this] { wait(); });
}

SignalFlags::~SignalFlags() {
  leaving_ = true;
  waiter_.join();
}

int SignalFlags::failed_write() {
  sigset_t pending;
  if (sigpending(&pending) != 0) return 0;
  for (const int signal : {SIGPIPE, SIGXFSZ})
    if (sigismember(&pending, signal) == 1) return 128 + signal;
  return 0;
}

void SignalFlags::wait() {
  const sigset_t set = awaited();
  const timespec patience{0, 50'000'000};  // how soon the destructor is noticed
  while (!leaving_) {
    const int signal = sigtimedwait(&set, nullptr, &patience);
    if (signal <= 0) continue;
    if (signal == SIGUSR1) {
      save_ = true;
    } else if (!stopped_) {
      signal_ = signal;
      stopped_ = true;
    } else if (signal == SIGINT || signal == SIGTERM) {  // the others may come more than once for one event
      _exit(128 + signal);
    }
  }
}

}  // namespace tessera
