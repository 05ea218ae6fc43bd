// The step state in device memory: what changes from step to step (kernels::StepState), read from there by the kernels.
#pragma once

#include "engine/core/tensor.h"

namespace tessera {

// Written in the order of the device's other work, without waiting for it.
class StepStateBuffer {
 public:
  explicit StepStateBuffer(const std::shared_ptr<Device>& device)
      : memory_(Tensor::empty(device, {sizeof(kernels::StepState)}, DType::u8)) {}
  void write(const kernels::StepState& state) { memory_.on().run(&Backend::write_state, state, memory_); }
  const kernels::StepState* device_pointer() const { return static_cast<const kernels::StepState*>(memory_.data()); }

 private:
  Tensor memory_;
};

}  // namespace tessera
