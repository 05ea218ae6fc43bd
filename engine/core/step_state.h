// The step state in device memory: what changes from step to step (kernels::StepState), read from there by the kernels.
#pragma once

#include <vector>

#include "engine/core/tensor.h"

namespace tessera {

// Written without waiting for the device.
class StepStateBuffer {
 public:
  explicit StepStateBuffer(const std::shared_ptr<Device>& device);
  ~StepStateBuffer();  // waits: the device may still have to read what was written
  StepStateBuffer(const StepStateBuffer&) = delete;
  StepStateBuffer& operator=(const StepStateBuffer&) = delete;
  void write(const kernels::StepState& state);
  const kernels::StepState* device_pointer() const { return static_cast<const kernels::StepState*>(memory_.data()); }

 private:
  static constexpr std::size_t ring_size = 64;  // host copies that the device may still be reading
  std::vector<kernels::StepState> ring_;
  std::size_t next_ = 0;
  Tensor memory_;
};

}  // namespace tessera
