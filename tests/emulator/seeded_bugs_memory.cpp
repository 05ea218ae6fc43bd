// Accesses beyond an array and misaligned ones: only sanitizers see them. Without one they would corrupt or end the program,
// so that they run under sanitizers only.
#include "kernels/cuda/gpu.h"
#include "tests/emulator/seeded_bugs.h"

namespace tessera::kernels::emulated {
namespace {

using tests::Bug;
using tests::DeviceArray;
using tests::ramp;

// y[i] = x[i − 1] + x[i] + x[i + 1] through shared memory with one element more on either side.
// Bug one: the array has no room for the last. Bug two: the padding test on the right is missing, so that x is read beyond
// its end. Bug three: threads beyond n write y beyond its end.
template <Bug bug>
__global__ void __launch_bounds__(64) neighbours(const float* x, float* y, int n) {
  __shared__ float tile[bug == Bug::one ? 65 : 66];
  const int t = static_cast<int>(threadIdx.x), i = static_cast<int>(blockIdx.x) * 64 + t;
  const auto at = [&](int j) { return j >= 0 && (j < n || bug == Bug::two) ? x[j] : 0.0f; };
  tile[t + 1] = at(i);
  if (t == 0) tile[0] = at(i - 1);
  if (threadIdx.x + 1 == blockDim.x) tile[t + 2] = at(i + 1);
  __syncthreads();
  if (i < n || bug == Bug::three) y[i] = tile[t] + tile[t + 1] + tile[t + 2];
}
template <Bug bug>
std::vector<float> run_neighbours(Stream& stream) {
  const int n = bug == Bug::three ? 100 : 128;
  DeviceArray<float> x(ramp(static_cast<std::size_t>(n))), y(static_cast<std::size_t>(n));
  launch(neighbours<bug>, 2, 64, 0, stream, x.data(), y.data(), n);
  return y.values();
}

// Each block reverses 64 values. Bug one: one element too many goes to shared memory.
template <Bug bug>
__global__ void __launch_bounds__(64) reverse(const float* x, float* y) {
  DYNAMIC_SHARED(float, values);
  const unsigned t = threadIdx.x, i = blockIdx.x * 64 + t;
  values[bug == Bug::one ? t + 1 : t] = x[i];
  __syncthreads();
  y[i] = values[63 - t];
}
template <Bug bug>
std::vector<float> run_reverse(Stream& stream) {
  DeviceArray<float> x(ramp(256)), y(256);
  launch(reverse<bug>, 4, 64, 64 * sizeof(float), stream, x.data(), y.data());
  return y.values();
}

// y[i] = x[i + 4]. Bug one: from an address that is a multiple of 4 bytes, not of 16.
template <Bug bug>
__global__ void __launch_bounds__(8) copy_by_four(const float* x, float* y) {
  const unsigned i = threadIdx.x * 4;
  *reinterpret_cast<float4*>(y + i) = *reinterpret_cast<const float4*>(x + i + (bug == Bug::one ? 3 : 4));
}
template <Bug bug>
std::vector<float> run_copy_by_four(Stream& stream) {
  DeviceArray<float> x(ramp(36)), y(32);
  launch(copy_by_four<bug>, 1, 8, 0, stream, x.data(), y.data());
  return y.values();
}

}  // namespace
}  // namespace tessera::kernels::emulated

namespace tessera::tests {

std::vector<SeededBug> bugs_in_memory() {
  using namespace kernels::emulated;
  const Run right = run_neighbours<Bug::nothing>;
  return {
      {"static shared memory overrun", right, run_neighbours<Bug::one>, address | undefined},
      {"global memory overrun, reading", right, run_neighbours<Bug::two>, address},
      {"global memory overrun, writing", right, run_neighbours<Bug::three>, address},
      {"dynamic shared memory overrun", run_reverse<Bug::nothing>, run_reverse<Bug::one>, address},
      {"misaligned float4", run_copy_by_four<Bug::nothing>, run_copy_by_four<Bug::one>, undefined},
  };
}

}  // namespace tessera::tests
