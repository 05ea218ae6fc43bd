// Reductions with missing waits.
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/reduce.h"
#include "tests/emulator/seeded_bugs.h"

namespace tessera::kernels::emulated {
namespace {

using tests::Bug;
using tests::DeviceArray;
using tests::ramp;

// Bug one: partial sums are read before all are written. Bug two: results of one round are read in the next without a wait.
__global__ void __launch_bounds__(128) tree_sum(Bug bug, const float* x, float* y, int n) {
  __shared__ float sums[128];
  const int t = static_cast<int>(threadIdx.x);
  float sum = 0;
  for (int i = t; i < n; i += 128) sum += x[i];
  sums[t] = sum;
  if (bug != Bug::one) __syncthreads();
  for (int half = 64; half > 0; half /= 2) {
    if (t < half) sums[t] += sums[t + half];
    if (bug != Bug::two) __syncthreads();
  }
  if (t == 0) y[blockIdx.x] = sums[0];
}
template <Bug bug>
std::vector<float> run_tree_sum(Stream& stream) {
  DeviceArray<float> x(ramp(1000)), y(3);
  launch(tree_sum, 3, 128, 0, stream, bug, x.data(), y.data(), 1000);
  return y.values();
}

// Bug one: warps' sums are read before all are written.
__global__ void __launch_bounds__(128) shuffle_sum(Bug bug, const float* x, float* y) {
  __shared__ float sums[4];
  const unsigned t = threadIdx.x;
  const float sum = warp_sum(x[t]);
  if (t % 32 == 0) sums[t / 32] = sum;
  if (bug != Bug::one) __syncthreads();
  if (t == 0) y[0] = sums[0] + sums[1] + sums[2] + sums[3];
}
template <Bug bug>
std::vector<float> run_shuffle_sum(Stream& stream) {
  DeviceArray<float> x(ramp(128)), y(1);
  launch(shuffle_sum, 1, 128, 0, stream, bug, x.data(), y.data());
  return y.values();
}

// Bug one: lanes read their neighbours' words without waiting for the warp.
__global__ void __launch_bounds__(32) warp_tree_sum(Bug bug, const float* x, float* y) {
  __shared__ float sums[32];
  const int lane = static_cast<int>(threadIdx.x);
  sums[lane] = x[lane];
  __syncwarp();
  for (int half = 16; half > 0; half /= 2) {
    const float other = lane < half ? sums[lane + half] : 0;
    if (bug != Bug::one) __syncwarp();
    if (lane < half) sums[lane] += other;
    if (bug != Bug::one) __syncwarp();
  }
  if (lane == 0) y[0] = sums[0];
}
template <Bug bug>
std::vector<float> run_warp_tree_sum(Stream& stream) {
  DeviceArray<float> x(ramp(32)), y(1);
  launch(warp_tree_sum, 1, 32, 0, stream, bug, x.data(), y.data());
  return y.values();
}

// y = x less the row's maximum, one block a row. Bug one: no wait after the tree's last round, in which thread 0 alone
// writes what all then read. In plain order thread 0 comes first, and nothing is wrong.
__global__ void __launch_bounds__(64) subtract_maximum(Bug bug, const float* x, float* y) {
  __shared__ float largest[64];
  const int t = static_cast<int>(threadIdx.x);
  const float own = x[blockIdx.x * 64 + threadIdx.x];
  largest[t] = own;
  __syncthreads();
  for (int half = 32; half > 0; half /= 2) {
    if (t < half) largest[t] = max(largest[t], largest[t + half]);
    if (bug != Bug::one || half > 1) __syncthreads();
  }
  y[blockIdx.x * 64 + threadIdx.x] = own - largest[0];
}
template <Bug bug>
std::vector<float> run_subtract_maximum(Stream& stream) {
  std::vector<float> rows = ramp(192);
  for (std::size_t row = 0; row < 3; ++row) rows[row * 64 + 33] = 100 + static_cast<float>(row);
  DeviceArray<float> x(rows), y(192);
  launch(subtract_maximum, 3, 64, 0, stream, bug, x.data(), y.data());
  return y.values();
}

// A channel's variance in two passes through one array of warps' sums. Bug one: no wait between the last read of the first
// pass and the first write of the second.
__global__ void __launch_bounds__(128) variance(Bug bug, const float* x, float* y) {
  __shared__ float sums[4];
  const unsigned t = threadIdx.x;
  const float own = x[blockIdx.x * 128 + t];
  float sum = warp_sum(own);
  if (t % 32 == 0) sums[t / 32] = sum;
  __syncthreads();
  const float mean = (sums[0] + sums[1] + sums[2] + sums[3]) / 128;
  if (bug != Bug::one) __syncthreads();
  sum = warp_sum((own - mean) * (own - mean));
  if (t % 32 == 0) sums[t / 32] = sum;
  __syncthreads();
  if (t == 0) y[blockIdx.x] = (sums[0] + sums[1] + sums[2] + sums[3]) / 128;
}
template <Bug bug>
std::vector<float> run_variance(Stream& stream) {
  DeviceArray<float> x(ramp(256)), y(2);
  launch(variance, 2, 128, 0, stream, bug, x.data(), y.data());
  return y.values();
}

}  // namespace
}  // namespace tessera::kernels::emulated

namespace tessera::tests {

std::vector<SeededBug> bugs_in_sums() {
  using namespace kernels::emulated;
  return {
      {"tree sum: no wait before the tree", run_tree_sum<Bug::nothing>, run_tree_sum<Bug::one>, forward | order_scan | race},
      {"tree sum: no wait in the tree", run_tree_sum<Bug::nothing>, run_tree_sum<Bug::two>, forward | order_scan | race},
      {"shuffle sum: no wait for the warps' sums", run_shuffle_sum<Bug::nothing>, run_shuffle_sum<Bug::one>,
       forward | order_scan | race},
      {"sum in a warp: no __syncwarp", run_warp_tree_sum<Bug::nothing>, run_warp_tree_sum<Bug::one>,
       forward | order_scan | race},
      {"softmax: no wait for the maximum", run_subtract_maximum<Bug::nothing>, run_subtract_maximum<Bug::one>,
       order_scan | race},
      {"batch norm: no wait before sums are overwritten", run_variance<Bug::nothing>, run_variance<Bug::one>,
       order_scan | race},
  };
}

}  // namespace tessera::tests
