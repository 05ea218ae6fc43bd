#include "kernels/emulator/copy_queue.h"

#include <cstring>

namespace tessera::kernels::emulated {
namespace {

void perform(const CopyQueue::Copy& copy) {
  if (copy.valid) {
    std::memcpy(copy.to, copy.from, copy.bytes);
  } else {
    std::memset(copy.to, 0, copy.bytes);
  }
}

}  // namespace

void CopyQueue::issue(const Copy& copy, Copies when) {
  if (when == Copies::early) perform(copy);
  waiting_.push_back({copy, group_, when == Copies::early});
}

void CopyQueue::wait(int pending) {
  std::size_t covered = 0;
  for (; covered < waiting_.size() && waiting_[covered].group < group_ - pending; ++covered)
    if (!waiting_[covered].performed) perform(waiting_[covered].copy);
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(covered));
}

void CopyQueue::clear() {
  waiting_.clear();
  group_ = 0;
}

}  // namespace tessera::kernels::emulated
