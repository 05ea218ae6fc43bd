#include "engine/core/recorded_work.h"

namespace tessera {

RecordedWork::RecordedWork(std::shared_ptr<Device> device, std::shared_ptr<MemoryPool> pool)
    : device_(std::move(device)), pool_(std::move(pool)) {}

RecordedWork::~RecordedWork() {
  if (!recording_) return;
  try {
    device_->synchronize();                // it may still be running
  } catch (const kernels::DeviceError&) {  // already reported where it happened
  }
  device_->backend().runtime.destroy_recording(recording_);
}

void RecordedWork::run(const std::function<void()>& work) {
  if (!possible(*device_)) return work();
  const kernels::Runtime& runtime = device_->backend().runtime;
  void* const stream = device_->stream().native;
  if (!recording_) {
    const Device::PoolScope scope(*device_, pool_);
    if (!warm_) {
      work();
      warm_ = true;
      return;
    }
    runtime.begin_recording(stream);
    try {
      work();
    } catch (...) {
      try {
        if (void* const unfinished = runtime.end_recording(stream)) runtime.destroy_recording(unfinished);
      } catch (const kernels::DeviceError&) {  // the first error says what went wrong
      }
      throw;
    }
    recording_ = runtime.end_recording(stream);
  }
  runtime.replay(stream, recording_);
}

}  // namespace tessera
