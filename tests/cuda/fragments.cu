#include "tests/cuda/fragments.h"

#include "kernels/bf16.h"
#include "kernels/cuda/async_copy.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/tensor_core.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

template <bool tf32>
__global__ void __launch_bounds__(32) mma_kernel(const unsigned* a, const unsigned* b, float* d) {
  const unsigned fragment = blockIdx.x * 32 + threadIdx.x;
  unsigned fragment_a[4], fragment_b[2];
  float sum[4];
  for (int i = 0; i < 4; ++i) fragment_a[i] = a[fragment * 4 + i];
  for (int i = 0; i < 2; ++i) fragment_b[i] = b[fragment * 2 + i];
  for (int i = 0; i < 4; ++i) sum[i] = d[fragment * 4 + i];
  if constexpr (tf32) {
    mma_m16n8k8_tf32(sum, fragment_a, fragment_b);
  } else {
    mma_m16n8k16_bf16(sum, fragment_a, fragment_b);
  }
  for (int i = 0; i < 4; ++i) d[fragment * 4 + i] = sum[i];
}

__global__ void __launch_bounds__(32) ldmatrix_kernel(const std::uint16_t* rows, unsigned* plain, unsigned* transposed) {
  __shared__ __align__(16) std::uint16_t tile[32][8];
  const unsigned lane = threadIdx.x;
  for (int i = 0; i < 8; ++i) tile[lane][i] = rows[lane * 8 + i];
  __syncthreads();
  unsigned r[4];
  ldmatrix_x4(r, tile[lane]);
  for (int i = 0; i < 4; ++i) plain[lane * 4 + i] = r[i];
  ldmatrix_x4_trans(r, tile[lane]);
  for (int i = 0; i < 4; ++i) transposed[lane * 4 + i] = r[i];
}

__global__ void __launch_bounds__(128) to_tf32_kernel(const float* x, unsigned* y, int n) {
  const int i = static_cast<int>(blockIdx.x * 128 + threadIdx.x);
  if (i < n) y[i] = to_tf32(x[i]);
}

__global__ void __launch_bounds__(128) to_bf16_kernel(const float* x, unsigned* y, int n) {
  const int i = static_cast<int>(blockIdx.x * 128 + threadIdx.x);
  if (i < n) y[i] = to_bf16(x[i]).bits;
}

__global__ void __launch_bounds__(32) copies_kernel(const float* x, float* y) {
  __shared__ __align__(16) float wide[128];
  __shared__ __align__(16) float narrow[32];
  __shared__ __align__(16) float cached[128];
  const unsigned t = threadIdx.x;
  cp_async16(wide + t * 4, x + t * 4, t % 3 != 2);
  cp_async_commit();
  cp_async4(narrow + t, x + t, t % 3 != 2);
  cp_async16_cached(cached + t * 4, x + t * 4, t % 3 != 1);
  cp_async_commit();
  cp_async_wait<1>();
  __syncthreads();
  for (unsigned i = t; i < 128; i += 32) y[i] = wide[i];
  cp_async_wait<0>();
  __syncthreads();
  y[128 + t] = narrow[t];
  for (unsigned i = t; i < 128; i += 32) y[160 + i] = cached[i];
}

}  // namespace

const Wrappers wrappers = {
    .mma_bf16 = [](Stream& stream, const unsigned* a, const unsigned* b, float* d,
                   int matrices) { launch(mma_kernel<false>, static_cast<unsigned>(matrices), 32, 0, stream, a, b, d); },
    .mma_tf32 = [](Stream& stream, const unsigned* a, const unsigned* b, float* d,
                   int matrices) { launch(mma_kernel<true>, static_cast<unsigned>(matrices), 32, 0, stream, a, b, d); },
    .ldmatrix = [](Stream& stream, const std::uint16_t* rows, unsigned* plain,
                   unsigned* transposed) { launch(ldmatrix_kernel, 1, 32, 0, stream, rows, plain, transposed); },
    .to_tf32 = [](Stream& stream, const float* x, unsigned* y,
                  int n) { launch(to_tf32_kernel, static_cast<unsigned>((n + 127) / 128), 128, 0, stream, x, y, n); },
    .to_bf16 = [](Stream& stream, const float* x, unsigned* y,
                  int n) { launch(to_bf16_kernel, static_cast<unsigned>((n + 127) / 128), 128, 0, stream, x, y, n); },
    .copies = [](Stream& stream, const float* x, float* y) { launch(copies_kernel, 1, 32, 0, stream, x, y); }};

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
