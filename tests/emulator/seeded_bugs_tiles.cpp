// Matrix products through tiles in shared memory, with missing waits.
#include "kernels/cuda/async_copy.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/tensor_core.h"
#include "tests/emulator/seeded_bugs.h"

namespace tessera::kernels::emulated {
namespace {

using tests::Bug;
using tests::DeviceArray;
using tests::ramp;

// c = a·b, 32×32 matrices in tiles of 16. Bug one: no wait after loading; bug two: none before the tile is overwritten.
__global__ void __launch_bounds__(256) tiled_matmul(Bug bug, const float* a, const float* b, float* c) {
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
template <Bug bug>
std::vector<float> run_tiled_matmul(Stream& stream) {
  DeviceArray<float> a(ramp(1024)), b(ramp(1024)), c(1024);
  launch(tiled_matmul, dim3(2, 2), dim3(16, 16), 0, stream, bug, a.data(), b.data(), c.data());
  return c.values();
}

// c = a·b on tensor cores: a 32×96, b 96×16, four warps with 16×8 elements of c each. Three stages of 16 columns of a and 16
// rows of b are in shared memory: one in use, two on their way. The one barrier of a step says both that everyone's copies
// of this step have landed and that everyone is done with the stage which is loaded next. Bug one: without it. Bug two: the
// wait lets the copies of this very step be under way still.
__global__ void __launch_bounds__(128) pipelined_matmul(Bug bug, const bf16* a, const bf16* b, float* c) {
  constexpr int stages = 3, steps = 6;
  __shared__ __align__(16) bf16 as[stages][32][24], bs[stages][16][24];  // rows of 48 bytes: ldmatrix meets all banks
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  const int first_row = warp / 2 * 16, first_column = warp % 2 * 8;
  const auto load = [&](int step) {
    if (step < steps) {
      const int stage = step % stages, row = thread / 2 % 32, half = thread % 2 * 8;
      if (thread < 64) {
        cp_async16(&as[stage][row][half], a + row * 96 + step * 16 + half, true);
      } else if (thread < 96) {
        cp_async16(&bs[stage][row][half], b + (step * 16 + row) * 16 + half, true);
      }
    }
    cp_async_commit();
  };
  float sum[4] = {0, 0, 0, 0};
  for (int step = 0; step < stages - 1; ++step) load(step);
  for (int step = 0; step < steps; ++step) {
    if (bug == Bug::two) {
      cp_async_wait<stages - 1>();
    } else {
      cp_async_wait<stages - 2>();
    }
    if (bug != Bug::one) __syncthreads();
    load(step + stages - 1);
    unsigned fragment_a[4], fragment_b[4];
    ldmatrix_x4(fragment_a, &as[step % stages][first_row + lane % 16][lane / 16 * 8]);
    ldmatrix_x4_trans(fragment_b, &bs[step % stages][lane % 16][first_column]);
    mma_m16n8k16_bf16(sum, fragment_a, {fragment_b[0], fragment_b[1]});
  }
  cp_async_wait<0>();
  for (int i = 0; i < 4; ++i) c[(first_row + lane / 4 + i / 2 * 8) * 16 + first_column + lane % 4 * 2 + i % 2] = sum[i];
}
template <Bug bug>
std::vector<float> run_pipelined_matmul(Stream& stream) {
  std::vector<bf16> a, b;
  for (const float x : ramp(32 * 96)) a.push_back(to_bf16(x));
  for (const float x : ramp(96 * 16)) b.push_back(to_bf16(x + 1));
  DeviceArray<bf16> da(a), db(b);
  DeviceArray<float> c(32 * 16);
  launch(pipelined_matmul, 1, 128, 0, stream, bug, da.data(), db.data(), c.data());
  return c.values();
}

}  // namespace
}  // namespace tessera::kernels::emulated

namespace tessera::tests {

std::vector<SeededBug> bugs_in_tiles() {
  using namespace kernels::emulated;
  return {
      {"tiled matmul: no wait after loading", run_tiled_matmul<Bug::nothing>, run_tiled_matmul<Bug::one>,
       forward | order_scan | race},
      {"tiled matmul: no wait before the next tile", run_tiled_matmul<Bug::nothing>, run_tiled_matmul<Bug::two>,
       forward | order_scan | race},
      {"pipelined matmul: no wait for other warps", run_pipelined_matmul<Bug::nothing>, run_pipelined_matmul<Bug::one>,
       order_scan | race},
      {"pipelined matmul: cp_async_wait one group short", run_pipelined_matmul<Bug::nothing>, run_pipelined_matmul<Bug::two>,
       forward | order_scan | race},
  };
}

}  // namespace tessera::tests
