// Kernels with one mistake each, beside the same kernel without it: the emulator must tell them apart. Most of these
// mistakes give right results on most runs of a GPU.
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/reduce.h"
#include "tests/catch.h"
#include "tests/emulator/scan.h"

namespace tessera::kernels::emulated {
namespace {

enum class Bug { nothing, one, two, three };

// ---- sums ---------------------------------------------------------------------------------------------------------------

// Bug one: partial sums are read before all are written. Bug two: results of one round are read in the next without a wait.
template <Bug bug>
__global__ void __launch_bounds__(128) tree_sum(const float* x, float* y, int n) {
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

// Bug one: warps' sums are read before all are written.
template <Bug bug>
__global__ void __launch_bounds__(128) shuffle_sum(const float* x, float* y) {
  __shared__ float sums[4];
  const unsigned t = threadIdx.x;
  const float sum = warp_sum(x[t]);
  if (t % 32 == 0) sums[t / 32] = sum;
  if (bug != Bug::one) __syncthreads();
  if (t == 0) y[0] = sums[0] + sums[1] + sums[2] + sums[3];
}

// Bug one: lanes read their neighbours' words without waiting for the warp.
template <Bug bug>
__global__ void __launch_bounds__(32) warp_tree_sum(const float* x, float* y) {
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

// ---- tiles
// ----------------------------------------------------------------------------------------------------------------

// c = a·b, 32×32 matrices in tiles of 16. Bug one: no wait after loading; bug two: none before the tile is overwritten.
template <Bug bug>
__global__ void __launch_bounds__(256) tiled_matmul(const float* a, const float* b, float* c) {
  __shared__ float as[16][17], bs[16][17];
  const unsigned column = threadIdx.x, row = threadIdx.y, i = blockIdx.y * 16 + row, j = blockIdx.x * 16 + column;
  float sum = 0;
  for (unsigned k = 0; k < 32; k += 16) {
    as[row][column] = a[i * 32 + k + column];
    bs[row][column] = b[(k + row) * 32 + j];
    if (bug != Bug::one) __syncthreads();
    for (unsigned l = 0; l < 16; ++l) sum += as[row][l] * bs[l][column];
    if (bug != Bug::two) __syncthreads();
  }
  c[i * 32 + j] = sum;
}

// Each block reverses 64 values. Bug one: reads what no one in this block has written (the block before may have).
template <Bug bug>
__global__ void __launch_bounds__(64) reverse(const float* x, float* y) {
  DYNAMIC_SHARED(float, values);
  const unsigned t = threadIdx.x, i = blockIdx.x * 64 + t;
  if (bug != Bug::one || t != 5 || blockIdx.x == 0) values[t] = x[i];
  __syncthreads();
  y[i] = values[63 - t];
}

// ---- control flow
// -----------------------------------------------------------------------------------------------------------

// Bug one: some threads leave before the barrier. Bug two: threads wait in two different barriers. Bug three: in a loop,
// some go round once more.
template <Bug bug>
__global__ void __launch_bounds__(128) divergent(float* y) {
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

// Bug one: half of a warp calls a shuffle of the whole warp. Bug two: a lane reads from one that takes no part.
// Bug three: a lane calls a shuffle that leaves it out.
template <Bug bug>
__global__ void __launch_bounds__(32) shuffles(float* y) {
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

// ---- several blocks
// -----------------------------------------------------------------------------------------------------------

// Counts blocks. Bug one: without an atomic.
template <Bug bug>
__global__ void __launch_bounds__(32) count_blocks(unsigned* counter) {
  if (threadIdx.x != 0) return;
  if (bug == Bug::nothing) {
    atomicAdd(counter, 1u);
  } else {
    *counter += 1;
  }
}

// ---- the tests
// ------------------------------------------------------------------------------------------------------------------

using tests::DeviceArray;
using tests::ramp;
using tests::scan;

template <Bug bug>
std::vector<float> run_tree_sum(Stream& stream) {
  DeviceArray<float> x(ramp(1000)), y(3);
  launch(tree_sum<bug>, 3, 128, 0, stream, x.data(), y.data(), 1000);
  return y.values();
}
template <Bug bug>
std::vector<float> run_shuffle_sum(Stream& stream) {
  DeviceArray<float> x(ramp(128)), y(1);
  launch(shuffle_sum<bug>, 1, 128, 0, stream, x.data(), y.data());
  return y.values();
}
template <Bug bug>
std::vector<float> run_warp_tree_sum(Stream& stream) {
  DeviceArray<float> x(ramp(32)), y(1);
  launch(warp_tree_sum<bug>, 1, 32, 0, stream, x.data(), y.data());
  return y.values();
}
template <Bug bug>
std::vector<float> run_tiled_matmul(Stream& stream) {
  DeviceArray<float> a(ramp(1024)), b(ramp(1024)), c(1024);
  launch(tiled_matmul<bug>, dim3(2, 2), dim3(16, 16), 0, stream, a.data(), b.data(), c.data());
  return c.values();
}
template <Bug bug>
std::vector<float> run_reverse(Stream& stream) {
  DeviceArray<float> x(ramp(256)), y(256);
  launch(reverse<bug>, 4, 64, 64 * sizeof(float), stream, x.data(), y.data());
  return y.values();
}
template <Bug bug>
std::vector<float> run_divergent(Stream& stream) {
  DeviceArray<float> y(128);
  launch(divergent<bug>, 1, 128, 0, stream, y.data());
  return y.values();
}
template <Bug bug>
std::vector<float> run_shuffles(Stream& stream) {
  DeviceArray<float> y(32);
  launch(shuffles<bug>, 1, 32, 0, stream, y.data());
  return y.values();
}
template <Bug bug>
std::vector<float> run_count_blocks(Stream& stream) {
  DeviceArray<unsigned> counter(std::vector<unsigned>{0});
  launch(count_blocks<bug>, 5, 32, 0, stream, counter.data());
  return {static_cast<float>(counter.values()[0])};
}

std::string fault_of(const tests::Run& run) {
  const auto finding = scan(run);
  return finding ? finding->fault : "";
}

}  // namespace

TEST_CASE("correct kernels agree bit for bit under every schedule") {
  CHECK_FALSE(scan(run_tree_sum<Bug::nothing>));
  CHECK_FALSE(scan(run_shuffle_sum<Bug::nothing>));
  CHECK_FALSE(scan(run_warp_tree_sum<Bug::nothing>));
  CHECK_FALSE(scan(run_tiled_matmul<Bug::nothing>));
  CHECK_FALSE(scan(run_reverse<Bug::nothing>));
  CHECK_FALSE(scan(run_divergent<Bug::nothing>));
  CHECK_FALSE(scan(run_shuffles<Bug::nothing>));
  CHECK_FALSE(scan(run_count_blocks<Bug::nothing>, {{.write_sets = true}}));
}

TEST_CASE("correct kernels compute what they should") {
  Stream stream(emulated_backend(), 0, {});
  float sum = 0;
  for (float v : ramp(1000)) sum += v;
  CHECK(run_tree_sum<Bug::nothing>(stream) == std::vector<float>(3, sum));  // halves of small integers: exact in any order
  const std::vector<float> a = ramp(1024), c = run_tiled_matmul<Bug::nothing>(stream);
  float c37 = 0;
  for (std::size_t k = 0; k < 32; ++k) c37 += a[3 * 32 + k] * a[k * 32 + 7];
  CHECK(c[3 * 32 + 7] == c37);
  const std::vector<float> shuffled = run_shuffles<Bug::nothing>(stream);
  CHECK(shuffled[0] == 18.0f + static_cast<float>(0x9249));   // lane 16 holds 16 ^ 2
  CHECK(shuffled[20] == 22.0f + static_cast<float>(0x9249));  // beyond the end: its own value
  CHECK(run_count_blocks<Bug::nothing>(stream)[0] == 5.0f);
}

TEST_CASE("the order scan finds missing barriers") {
  CHECK(scan(run_tree_sum<Bug::one>));
  CHECK(scan(run_tree_sum<Bug::two>));
  CHECK(scan(run_shuffle_sum<Bug::one>));
  CHECK(scan(run_warp_tree_sum<Bug::one>));
  CHECK(scan(run_tiled_matmul<Bug::one>));
  CHECK(scan(run_tiled_matmul<Bug::two>));
}

TEST_CASE("shared memory that nobody wrote is NaN, not what the last block left") {
  Stream stream(emulated_backend(), 0, {});
  const std::vector<float> y = run_reverse<Bug::one>(stream);
  CHECK(y[58] == ramp(256)[5]);
  CHECK(std::isnan(y[64 + 58]));
}

TEST_CASE("a barrier that not all threads reach is reported with the lines where they wait") {
  const std::string returned = fault_of(run_divergent<Bug::one>);
  CHECK_THAT(returned, Catch::Contains("[run_divergent") && Catch::Contains("kernel launched at") &&
                           Catch::Contains("in block (0,0,0)") &&
                           Catch::Contains("threads 0..99: wait in __syncthreads at") &&
                           Catch::Contains("threads 100..127: returned from the kernel"));
  const std::string elsewhere = fault_of(run_divergent<Bug::two>);
  CHECK_THAT(elsewhere, Catch::Contains("different barriers") &&
                            Catch::Contains("threads 0..63: wait in __syncthreads at") &&
                            Catch::Contains("threads 64..127: wait in __syncthreads at"));
  const std::string again = fault_of(run_divergent<Bug::three>);
  CHECK_THAT(again, Catch::Contains("threads 0..31: wait in __syncthreads at") &&
                        Catch::Contains("threads 32..127: returned from the kernel"));
}

TEST_CASE("warp operations outside their masks are reported") {
  CHECK_THAT(fault_of(run_shuffles<Bug::one>), Catch::Contains("threads 0..15: wait in __shfl_down_sync at") &&
                                                   Catch::Contains("threads 16..31: returned from the kernel"));
  CHECK_THAT(fault_of(run_shuffles<Bug::two>), Catch::Contains("reads from a lane outside its mask"));
  CHECK_THAT(fault_of(run_shuffles<Bug::three>), Catch::Contains("whose mask leaves it out"));
}

TEST_CASE("two blocks that change one byte without an atomic are found by their write sets") {
  CHECK_FALSE(scan(run_count_blocks<Bug::one>));  // runs in turn here: no order shows it
  const auto finding = scan(run_count_blocks<Bug::one>, {{.write_sets = true}});
  REQUIRE(finding);
  CHECK_THAT(finding->fault, Catch::Contains("blocks 0 and 1") && Catch::Contains("changed byte 0"));
}

TEST_CASE("the emulator works on after a fault") {
  Stream stream(emulated_backend(), 0, {});
  const std::vector<float> before = run_tiled_matmul<Bug::nothing>(stream);
  for (int i = 0; i < 3; ++i) CHECK_THROWS_AS(run_divergent<Bug::one>(stream), KernelFault);
  CHECK(run_tiled_matmul<Bug::nothing>(stream) == before);
}

TEST_CASE("launches that no GPU has are refused") {
  Stream stream(emulated_backend(), 0, {});
  DeviceArray<float> y(32);
  CHECK_THROWS_AS(launch(shuffles<Bug::nothing>, 1, 1025, 0, stream, y.data()), KernelFault);
  CHECK_THROWS_AS(launch(shuffles<Bug::nothing>, dim3(1, 65536), 32, 0, stream, y.data()), KernelFault);
  CHECK_THROWS_AS(launch(shuffles<Bug::nothing>, 1, 32, 228 * 1024, stream, y.data()), KernelFault);
  CHECK_NOTHROW(launch(shuffles<Bug::nothing>, dim3(0), 32, 0, stream, y.data()));
  CHECK(std::isnan(y.values()[0]));
}

}  // namespace tessera::kernels::emulated
