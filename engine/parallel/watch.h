// Watch: no rank outlives another. When one fails, dies or falls silent, all end, with one message and one exit code.
//
// A star of TCP connections, apart from whatever carries the training: every rank to rank 0. In each process a thread says
// once a second that the process is there, and listens.
//
//   a rank calls fail()                  rank 0 prints "error: rank 1 on host: …", all end with that code
//   a connection closes                  the process or its host has died: likewise, with code 1
//   silence for 20 s                     it hangs (is stopped, say), or the network is gone: likewise, with code 1
//   rank 0 dies or falls silent          rank 1 prints
//
// A rank that computes for ever while its thread speaks is not found out.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/parallel/communicator.h"

namespace tessera {

struct WatchTimes {
  double beat = 1, silence = 20;  // seconds
};

class Watch {
 public:
  // Ends the processes of all ranks, so that their launcher ends with this code.
  using EndAll = std::function<void(int code)>;

  // Of all ranks, which call it together. Without `end_all` each rank ends its own process. Error where rank 0 cannot be
  // reached.
  explicit Watch(Communicator& ranks, EndAll end_all = {}, const WatchTimes& times = {});
  ~Watch();  // without finish(): as if the process had died
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // This rank has failed: ends the process, and all others.
  [[noreturn]] void fail(int code, const std::string& text);
  // This rank is done. Waits for the others; the largest code of all.
  int finish(int code);

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

std::string host_name();

}  // namespace tessera
