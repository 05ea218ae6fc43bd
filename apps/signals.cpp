#include "apps/signals.h"

#include <unistd.h>
#include <csignal>
#include <ctime>

namespace tessera {
namespace {

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

StopOnSignal::StopOnSignal() {
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  waiter_ = std::thread([this] { wait(); });
}

StopOnSignal::~StopOnSignal() {
  leaving_ = true;
  waiter_.join();
}

void StopOnSignal::wait() {
  const sigset_t set = stop_signals();
  const timespec patience{0, 50'000'000};  // how soon the destructor is noticed
  while (!leaving_) {
    const int signal = sigtimedwait(&set, nullptr, &patience);
    if (signal <= 0) continue;
    if (stopped_) _exit(128 + signal);
    signal_ = signal;
    stopped_ = true;
  }
}

}  // namespace tessera
