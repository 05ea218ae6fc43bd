#include "engine/core/step_state.h"

namespace tessera {

StepStateBuffer::StepStateBuffer(const std::shared_ptr<Device>& device)
    : ring_(ring_size), memory_(Tensor::empty(device, {sizeof(kernels::StepState)}, DType::u8)) {}

StepStateBuffer::~StepStateBuffer() {
  try {
    if (next_ > 0) memory_.on().synchronize();
  } catch (const kernels::DeviceError&) {  // a lost device: said where it was noticed
  }
}

void StepStateBuffer::write(const kernels::StepState& state) {
  Device& device = memory_.on();
  if (next_ == ring_size) {
    device.synchronize();
    next_ = 0;
  }
  ring_[next_] = state;
  device.backend().runtime.copy(device.stream().native, memory_.data(), &ring_[next_++], sizeof state,
                                kernels::Copy::host_to_device);
}

}  // namespace tessera
