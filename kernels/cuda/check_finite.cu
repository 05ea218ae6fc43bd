// check_finite: may this step's gradients be applied?  skip = any element of x is NaN or infinite;
// consecutive = skip ? consecutive + 1 : 0; skipped += skip.
//
// First launch: threads stride over x in packs of four and each block leaves a flag in the workspace. Second launch: one
// block joins the flags and updates the guard. 4 bytes per element, bound by memory.
#include "kernels/cuda/elements.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

template <int width>
__global__ void __launch_bounds__(block_threads)
    find_kernel(const float* __restrict__ x, std::int64_t count, std::int32_t* __restrict__ flags) {
  const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  const std::int64_t threads = static_cast<std::int64_t>(gridDim.x) * block_threads, packs = count / width;
  bool found = false;
  for (std::int64_t i = thread; i < packs; i += threads) {
    const Pack<width> value = load<width>(x + i * width);
    for (int j = 0; j < width; ++j) found = found || !isfinite(value.v[j]);
  }
  for (std::int64_t i = packs * width + thread; i < count; i += threads) found = found || !isfinite(x[i]);
  const int any = __syncthreads_or(found);
  if (threadIdx.x == 0) flags[blockIdx.x] = any != 0;
}

__global__ void __launch_bounds__(block_threads)
    update_kernel(const std::int32_t* __restrict__ flags, int blocks, StepGuard* __restrict__ guard) {
  bool found = false;
  for (int i = static_cast<int>(threadIdx.x); i < blocks; i += block_threads) found = found || flags[i] != 0;
  const bool skip = __syncthreads_or(found) != 0;
  if (threadIdx.x == 0) {
    guard->skip = skip ? 1 : 0;
    guard->consecutive = skip ? guard->consecutive + 1 : 0;
    guard->skipped += skip ? 1 : 0;
  }
}

}  // namespace

void check_finite(Stream& stream, ConstView x, StepGuard* guard) {
  require_float32(stream, x);
  const bool packs = aligned_for_packs(x.as<float>());
  const unsigned blocks = block_count(x.count(), (packs ? 4 : 1) * block_threads, loop_blocks);
  std::int32_t* flags = static_cast<std::int32_t*>(stream.workspace.borrow(blocks * sizeof(std::int32_t)));
  launch(packs ? find_kernel<4> : find_kernel<1>, blocks, block_threads, 0, stream, x.as<float>(), x.count(), flags);
  launch(update_kernel, 1, block_threads, 0, stream, flags, blocks, guard);
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
