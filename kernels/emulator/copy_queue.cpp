#include "kernels/emulator/copy_queue.h"

#include <cstring>

#include "kernels/emulator/race.h"

namespace tessera::kernels::emulated {
namespace {

void perform(const CopyQueue::Copy& copy) {
  if (copy.valid) {
    std::memcpy(copy.to, copy.from, copy.bytes);
  } else {
    std::memset(copy.to, 0, copy.bytes);
  }
}

void note(const CopyQueue::Copy& copy, const void* pc) {
  if (copy.valid) race::note_read(copy.from, copy.bytes, pc);
  race::note_write(copy.to, copy.bytes, pc);
}

}  // namespace

void CopyQueue::issue(const Copy& copy, Copies when, const void* pc) {
  note(copy, pc);
  const race::Unseen unseen;
  if (when == Copies::early) perform(copy);
  waiting_.push_back({copy, group_, when == Copies::early});
}

void CopyQueue::wait(int pending, const void* pc) {
  std::size_t covered = 0;
  while (covered < waiting_.size() && waiting_[covered].group < group_ - pending) note(waiting_[covered++].copy, pc);
  const race::Unseen unseen;
  for (std::size_t i = 0; i < covered; ++i)
    if (!waiting_[i].performed) perform(waiting_[i].copy);
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(covered));
}

void CopyQueue::clear() {
  waiting_.clear();
  group_ = 0;
}

}  // namespace tessera::kernels::emulated
