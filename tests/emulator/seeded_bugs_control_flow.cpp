// Barriers that not all reach, warp operations with wrong masks, updates that are not atomic.
#include "kernels/cuda/async_copy.h"
#include "kernels/cuda/gpu.h"
#include "tests/emulator/seeded_bugs.h"

namespace tessera::kernels::emulated {
namespace {

using tests::Bug;
using tests::DeviceArray;
using tests::ramp;

// Bug one: some threads leave before the barrier. Bug two: threads wait in two different barriers. Bug three: in a loop,
// some go round once more.
__global__ void __launch_bounds__(128) divergent(Bug bug, float* y) {
  const int t = static_cast<int>(threadIdx.x);
  if (bug == Bug::one && t >= 100) return;
  if (bug == Bug::two && t < 64) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  for (int i = 0; i < (bug == Bug::three && t < 32 ? 2 : 1); ++i) __syncthreads();
  y[t] = static_cast<float>(t);
}
template <Bug bug>
std::vector<float> run_divergent(Stream& stream) {
  DeviceArray<float> y(128);
  launch(divergent, 1, 128, 0, stream, bug, y.data());
  return y.values();
}

// Bug one: half of a warp calls a shuffle of the whole warp. Bug two: a lane reads from one that takes no part.
// Bug three: a lane calls a shuffle that leaves it out.
__global__ void __launch_bounds__(32) shuffles(Bug bug, float* y) {
  const unsigned lane = threadIdx.x;
  float v = static_cast<float>(lane);
  if (bug == Bug::one) {
    if (lane < 16) v = __shfl_down_sync(~0u, v, 1);
  } else if (bug == Bug::two) {
    if (lane < 16) v = __shfl_xor_sync(0x0000ffffu, v, 16);
  } else if (bug == Bug::three) {
    v = __shfl_xor_sync(0x0000ffffu, v, 1);
  } else {
    v = lane < 16 ? __shfl_xor_sync(0x0000ffffu, v, 1) : __shfl_xor_sync(0xffff0000u, v, 2);
    __syncwarp();
    v = __shfl_down_sync(~0u, v, 16) + static_cast<float>(__ballot_sync(~0u, lane % 3 == 0) & 0xffffu);
  }
  y[lane] = v;
}
template <Bug bug>
std::vector<float> run_shuffles(Stream& stream) {
  DeviceArray<float> y(32);
  launch(shuffles, 1, 32, 0, stream, bug, y.data());
  return y.values();
}

// Bug one: a thread returns while its copies are under way.
__global__ void __launch_bounds__(32) copy_and_leave(Bug bug, const float* x, float* y) {
  __shared__ float tile[32];
  cp_async4(&tile[threadIdx.x], x + threadIdx.x, true);
  cp_async_commit();
  if (bug == Bug::nothing || threadIdx.x != 7) cp_async_wait<0>();
  y[threadIdx.x] = tile[threadIdx.x];
}
template <Bug bug>
std::vector<float> run_copy_and_leave(Stream& stream) {
  DeviceArray<float> x(ramp(32)), y(32);
  launch(copy_and_leave, 1, 32, 0, stream, bug, x.data(), y.data());
  return y.values();
}

// Counts blocks. Bug one: without an atomic.
__global__ void __launch_bounds__(32) count_blocks(Bug bug, unsigned* counter) {
  if (threadIdx.x != 0) return;
  if (bug == Bug::nothing) {
    atomicAdd(counter, 1u);
  } else {
    *counter += 1;
  }
}
template <Bug bug>
std::vector<float> run_count_blocks(Stream& stream) {
  DeviceArray<unsigned> counter(std::vector<unsigned>{0});
  launch(count_blocks, 5, 32, 0, stream, bug, counter.data());
  return {static_cast<float>(counter.values()[0])};
}

// Counts the elements below zero in one block. Bug one: without an atomic. Threads run in turn here, so that no order shows
// it.
__global__ void __launch_bounds__(64) count_negative(Bug bug, const float* x, float* y) {
  __shared__ int negative;
  if (threadIdx.x == 0) negative = 0;
  __syncthreads();
  if (x[threadIdx.x] < 0) {
    if (bug == Bug::nothing) {
      atomicAdd(&negative, 1);
    } else {
      negative += 1;
    }
  }
  __syncthreads();
  if (threadIdx.x == 0) y[0] = static_cast<float>(negative);
}
template <Bug bug>
std::vector<float> run_count_negative(Stream& stream) {
  DeviceArray<float> x(ramp(64)), y(1);
  launch(count_negative, 1, 64, 0, stream, bug, x.data(), y.data());
  return y.values();
}

}  // namespace
}  // namespace tessera::kernels::emulated

namespace tessera::tests {

std::vector<SeededBug> bugs_in_control_flow() {
  using namespace kernels::emulated;
  const Run waits = run_divergent<Bug::nothing>, shuffled = run_shuffles<Bug::nothing>;
  return {
      {"early return before a barrier", waits, run_divergent<Bug::one>, forward | order_scan,
       "threads 100..127: returned from the kernel"},
      {"two barriers at once", waits, run_divergent<Bug::two>, forward | order_scan, "different barriers"},
      {"a barrier in a loop of uneven length", waits, run_divergent<Bug::three>, forward | order_scan,
       "threads 32..127: returned from the kernel"},
      {"a shuffle by half of its mask", shuffled, run_shuffles<Bug::one>, forward | order_scan,
       "threads 0..15: wait in __shfl_down_sync at"},
      {"a shuffle from outside its mask", shuffled, run_shuffles<Bug::two>, forward | order_scan,
       "reads from a lane outside its mask"},
      {"a shuffle by a lane outside its mask", shuffled, run_shuffles<Bug::three>, forward | order_scan,
       "whose mask leaves it out"},
      {"a return while copies are under way", run_copy_and_leave<Bug::nothing>, run_copy_and_leave<Bug::one>,
       forward | order_scan, "before it has waited for all of its asynchronous copies"},
      {"a count over blocks without an atomic", run_count_blocks<Bug::nothing>, run_count_blocks<Bug::one>, write_sets,
       "changed byte 0"},
      {"a count over threads without an atomic", run_count_negative<Bug::nothing>, run_count_negative<Bug::one>, race},
  };
}

}  // namespace tessera::tests
