#include "kernels/stream.h"

#include <algorithm>

#include "kernels/backend.h"
#include "kernels/thread_pool.h"

namespace tessera::kernels {

Workspace::~Workspace() {
  for (void* block : blocks_) runtime_.release(device_, block);
}

void* Workspace::borrow(std::size_t bytes) {
  if (bytes > capacity_) {
    const std::size_t grown = std::max(bytes, 2 * capacity_);
    blocks_.reserve(blocks_.size() + 1);  // a block that could not be noted would be lost
    blocks_.push_back(runtime_.allocate(device_, grown));
    capacity_ = grown;
  }
  return blocks_.empty() ? nullptr : blocks_.back();
}

Stream::Stream(const Backend& b, int d, Options o)
    : backend(b),
      device(d),
      options(o),
      native(b.runtime.create_stream(d)),
      workspace(b.runtime, d),
      threads(ThreadPool::of_process()) {}

Stream::~Stream() {
  library.reset();  // its handles are bound to the stream
  backend.runtime.destroy_stream(device, native);
}

}  // namespace tessera::kernels
