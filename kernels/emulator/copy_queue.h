// The asynchronous copies of one thread: a queue of groups. A copy is performed when it is issued (Copies::early) or by the
// wait that covers it (Copies::late). For race.h it is done at both: whoever meets one of them meets the copy.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/emulator/emulator.h"

namespace tessera::kernels::emulated {

class CopyQueue {
 public:
  struct Copy {
    void* to;
    const void* from;
    std::size_t bytes;
    bool valid;  // else zeros are written
  };

  // `pc`: where the kernel asks for it.
  void issue(const Copy& copy, Copies when, const void* pc);
  void commit() { ++group_; }
  void wait(int pending, const void* pc);  // performs all but the `pending` newest groups
  bool idle() const { return waiting_.empty(); }
  void clear();  // forgets all

 private:
  struct Waiting {
    Copy copy;
    int group;
    bool performed;
  };
  std::vector<Waiting> waiting_;  // oldest first; a thread has few
  int group_ = 0;                 // the number of the group that is being filled
};

}  // namespace tessera::kernels::emulated
