#include "tests/ptx/host/kernels.h"

#include "kernels/cuda/gpu.h"

namespace tessera::kernels::cuda {
namespace {

__global__ void __launch_bounds__(256) add_one_kernel(float* x, int n) {
  const int i = static_cast<int>(blockIdx.x * 256 + threadIdx.x);
  if (i < n) x[i] += 1;
}

__global__ void __launch_bounds__(128) reverse_kernel(float* x) {
  __shared__ float fixed[1024];
  DYNAMIC_SHARED(float, chosen);
  const unsigned t = threadIdx.x;
  fixed[t] = x[t];
  chosen[t] = x[t];
  __syncthreads();
  x[t] = (fixed[127 - t] + chosen[127 - t]) / 2;
}

}  // namespace

void add_one(Stream& stream, float* x, int n) {
  launch(add_one_kernel, dim3(static_cast<unsigned>(n + 255) / 256), 256, 0, stream, x, n);
}
void add_one_refused(Stream& stream, float* x) { launch(add_one_kernel, dim3(1), 512, 0, stream, x, 1); }
void reverse_in_shared(Stream& stream, float* x, std::size_t dynamic_bytes) {
  launch(reverse_kernel, dim3(1), 128, dynamic_bytes, stream, x);
}

}  // namespace tessera::kernels::cuda
