// The emulator's streams, which can remember work instead of doing it: what a CUDA graph is on a GPU.
#pragma once

#include <functional>
#include <memory>
#include <vector>

namespace tessera::kernels::emulated {

// Work in the order in which it was issued. Addresses are part of it: it acts on the same memory each time.
using Recording = std::vector<std::function<void()>>;

struct NativeStream {
  std::unique_ptr<Recording> recording;  // while a recording is under way
};

// Does the work now, or remembers it where `stream` (null: none in particular) is recording.
inline void issue(void* stream, std::function<void()> work) {
  auto* native = static_cast<NativeStream*>(stream);
  if (native && native->recording)
    native->recording->push_back(std::move(work));
  else
    work();
}

}  // namespace tessera::kernels::emulated
