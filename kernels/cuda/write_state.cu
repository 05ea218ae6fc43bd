// write_state: state = values, which travel as the kernel's argument. A copy from the host's ordinary memory would make the
// driver stage it, and the host keep it, until the device has come so far.
//
// One thread; latency is all it costs.
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

__global__ void __launch_bounds__(32) write_state_kernel(StepState values, StepState* state) {
  if (threadIdx.x == 0) *state = values;
}

}  // namespace

void write_state(Stream& stream, const StepState& values, View state) {
  launch(write_state_kernel, 1, 32, 0, stream, values, state.as<StepState>());
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
