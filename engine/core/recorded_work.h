// Work that issues the same kernels over the same memory each time, recorded once and replayed from then on: on a GPU a CUDA
// graph, which costs the host a few microseconds however many kernels it holds.
//
//   RecordedWork step(device);
//   for (…) step.run([&] { … });   // the first time as it is, the second time recorded, from then on replayed
//
// The work must do the same each time: what changes between runs is read by its kernels from device memory (StepState). It
// may not allocate from the runtime, wait for the device or copy from or to the host once it is warm; all three are errors
// while it is recorded. What it allocates comes from a pool that nobody else uses, so that the addresses in the recording
// stay its own; host objects that it leaves behind (a loss tensor) stay valid, and hold each run's values.
#pragma once

#include <functional>
#include <memory>

#include "engine/core/device.h"

namespace tessera {

class RecordedWork {
 public:
  // Works that never run at the same time, and of which none reads what another left in its memory, may share a pool.
  RecordedWork(std::shared_ptr<Device> device, std::shared_ptr<MemoryPool> pool);
  ~RecordedWork();
  RecordedWork(const RecordedWork&) = delete;
  RecordedWork& operator=(const RecordedWork&) = delete;

  // Where the device cannot record (a CPU), the work is simply done.
  void run(const std::function<void()>& work);
  bool recorded() const { return recording_ != nullptr; }

  static bool possible(const Device& device) { return device.backend().runtime.begin_recording != nullptr; }

 private:
  std::shared_ptr<Device> device_;
  std::shared_ptr<MemoryPool> pool_;
  bool warm_ = false;
  void* recording_ = nullptr;
};

}  // namespace tessera
