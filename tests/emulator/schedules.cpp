// What the scheduler promises besides finding bugs: right results, poisoned shared memory, and reports that name threads.
#include <cmath>

#include "kernels/cuda/gpu.h"
#include "tests/catch.h"
#include "tests/emulator/scan.h"

namespace tessera::kernels::emulated {
namespace {

using tests::DeviceArray;
using tests::ramp;

Stream new_stream() { return {emulated_backend(), 0, {}}; }

// c = a·b, 32×32, in tiles of 16.
__global__ void __launch_bounds__(256) matmul(const float* a, const float* b, float* c) {
  __shared__ float as[16][17], bs[16][17];
  const unsigned column = threadIdx.x, row = threadIdx.y, i = blockIdx.y * 16 + row, j = blockIdx.x * 16 + column;
  float sum = 0;
  for (unsigned k = 0; k < 32; k += 16) {
    as[row][column] = a[i * 32 + k + column];
    bs[row][column] = b[(k + row) * 32 + j];
    __syncthreads();
    for (unsigned l = 0; l < 16; ++l) sum += as[row][l] * bs[l][column];
    __syncthreads();
  }
  c[i * 32 + j] = sum;
}
std::vector<float> run_matmul(Stream& stream) {
  DeviceArray<float> a(ramp(1024)), b(ramp(1024)), c(1024);
  launch(matmul, dim3(2, 2), dim3(16, 16), 0, stream, a.data(), b.data(), c.data());
  return c.values();
}

__global__ void __launch_bounds__(32) shuffles(float* y) {
  const unsigned lane = threadIdx.x;
  float v = static_cast<float>(lane);
  v = lane < 16 ? __shfl_xor_sync(0x0000ffffu, v, 1) : __shfl_xor_sync(0xffff0000u, v, 2);
  __syncwarp();
  y[lane] = __shfl_down_sync(~0u, v, 16) + static_cast<float>(__ballot_sync(~0u, lane % 3 == 0) & 0xffffu);
}

// Each block reverses 64 values; in all blocks but the first, thread 5 forgets its own.
__global__ void __launch_bounds__(64) reverse_but_one(const float* x, float* y) {
  DYNAMIC_SHARED(float, values);
  const unsigned t = threadIdx.x, i = blockIdx.x * 64 + t;
  if (t != 5 || blockIdx.x == 0) values[t] = x[i];
  __syncthreads();
  y[i] = values[63 - t];
}

// Threads below `first` wait where the others never come.
__global__ void __launch_bounds__(128) stuck(unsigned first) {
  if (threadIdx.x < first) __syncthreads();
}

// Adds up thread numbers in one place and keeps the largest in another, with the atomics; bit t of a mask for thread t.
__global__ void __launch_bounds__(32) atomics(unsigned* sum, int* largest, unsigned* mask, float* x) {
  atomicAdd(sum, threadIdx.x);
  atomicMax(largest, static_cast<int>(threadIdx.x * 7 % 32));
  atomicOr(mask, 1u << threadIdx.x);
  atomicAdd(x, 0.5f);
  if (threadIdx.x == 0) sum[1] = atomicCAS(sum + 2, 0xffffffffu, 17u);
}

}  // namespace

TEST_CASE("emulated kernels compute what they should") {
  Stream stream = new_stream();
  const std::vector<float> a = ramp(1024), c = run_matmul(stream);
  float c37 = 0;
  for (std::size_t k = 0; k < 32; ++k) c37 += a[3 * 32 + k] * a[k * 32 + 7];
  CHECK(c[3 * 32 + 7] == c37);  // halves of small integers: exact
  DeviceArray<float> y(32);
  launch(shuffles, 1, 32, 0, stream, y.data());
  CHECK(y.values()[0] == 18.0f + static_cast<float>(0x9249));   // lane 16 holds 16 ^ 2
  CHECK(y.values()[20] == 22.0f + static_cast<float>(0x9249));  // beyond the end: its own value
}

TEST_CASE("atomics") {
  Stream stream = new_stream();
  DeviceArray<unsigned> sum(std::vector<unsigned>{0, 0, ~0u}), mask(std::vector<unsigned>{0});
  DeviceArray<int> largest(std::vector<int>{-1});
  DeviceArray<float> x(std::vector<float>{0});
  launch(atomics, 1, 32, 0, stream, sum.data(), largest.data(), mask.data(), x.data());
  CHECK(sum.values() == std::vector<unsigned>{496, ~0u, 17});
  CHECK(largest.values()[0] == 31);
  CHECK(mask.values()[0] == ~0u);
  CHECK(x.values()[0] == 16);
}

TEST_CASE("shared memory that nobody wrote is NaN, not what the last block left") {
  Stream stream = new_stream();
  DeviceArray<float> x(ramp(256)), y(256);
  launch(reverse_but_one, 4, 64, 64 * sizeof(float), stream, x.data(), y.data());
  CHECK(y.values()[58] == ramp(256)[5]);
  CHECK(std::isnan(y.values()[64 + 58]));
}

TEST_CASE("a report names kernel, block, and the line where each thread waits") {
  Stream stream = new_stream();
  const auto run_stuck = [](Stream& s) { launch(stuck, 1, 128, 0, s, 100u); };
  try {
    run_stuck(stream);
    FAIL("no report");
  } catch (const KernelFault& fault) {
    CHECK_THAT(fault.what(), Catch::Contains("kernel launched at") && Catch::Contains("schedules.cpp:") &&
                                 Catch::Contains("in block (0,0,0)") &&
                                 Catch::Contains("threads 0..99: wait in __syncthreads at") &&
                                 Catch::Contains("threads 100..127: returned from the kernel"));
  }
}

TEST_CASE("the emulator works on after a fault") {
  Stream stream = new_stream();
  const std::vector<float> before = run_matmul(stream);
  for (int i = 0; i < 3; ++i) CHECK_THROWS_AS(launch(stuck, 1, 128, 0, stream, 100u), KernelFault);
  CHECK(run_matmul(stream) == before);
}

TEST_CASE("launches that no GPU has are refused") {
  Stream stream = new_stream();
  DeviceArray<float> y(32);
  CHECK_THROWS_AS(launch(shuffles, 1, 1025, 0, stream, y.data()), KernelFault);
  CHECK_THROWS_AS(launch(shuffles, dim3(1, 65536), 32, 0, stream, y.data()), KernelFault);
  CHECK_THROWS_AS(launch(shuffles, 1, 32, 228 * 1024, stream, y.data()), KernelFault);
  CHECK_NOTHROW(launch(shuffles, dim3(0), 32, 0, stream, y.data()));
  CHECK(std::isnan(y.values()[0]));
}

}  // namespace tessera::kernels::emulated
