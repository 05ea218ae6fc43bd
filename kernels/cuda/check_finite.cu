// check_finite: may this step's gradients be applied?  skip = any element of x is NaN or infinite;
// consecutive = skip ? consecutive + 1 : 0; skipped += skip.
//
// Threads stride over x in packs of four. A vector short enough for one block takes one launch; otherwise each block leaves
// a flag in the workspace, and a second launch of one block joins them. The guard must not be touched before all of x has
// been looked at, and blocks never wait for one another: hence the second. 4 bytes per element, bound by memory.
#include "kernels/cuda/elements.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

// One block looks at 256 KB in about the time of a second launch (an estimate).
constexpr int threads_of_one = 1024;
constexpr std::int64_t one_block_count = 64 * threads_of_one;

// What thread `thread` of `threads` finds. packs: the elements of x that may be read four at a time, divided by four.
__device__ inline bool finds_nonfinite(const float* __restrict__ x, std::int64_t count, std::int64_t packs,
                                       std::int64_t thread, std::int64_t threads) {
  bool found = false;
  for (std::int64_t i = thread; i < packs; i += threads) {
    const Pack<4> value = load<4>(x + 4 * i);
    for (int j = 0; j < 4; ++j) found = found || !isfinite(value.v[j]);
  }
  for (std::int64_t i = 4 * packs + thread; i < count; i += threads) found = found || !isfinite(x[i]);
  return found;
}

__device__ inline void update(StepGuard* guard, bool skip) {
  guard->skip = skip ? 1 : 0;
  guard->consecutive = skip ? guard->consecutive + 1 : 0;
  guard->skipped += skip ? 1 : 0;
}

__global__ void __launch_bounds__(threads_of_one)
    check_kernel(const float* x, std::int64_t count, std::int64_t packs, StepGuard* guard) {
  const int any = __syncthreads_or(finds_nonfinite(x, count, packs, threadIdx.x, threads_of_one));
  if (threadIdx.x == 0) update(guard, any != 0);
}

__global__ void __launch_bounds__(block_threads)
    find_kernel(const float* x, std::int64_t count, std::int64_t packs, std::int32_t* flags) {
  const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  const int any =
      __syncthreads_or(finds_nonfinite(x, count, packs, thread, static_cast<std::int64_t>(gridDim.x) * block_threads));
  if (threadIdx.x == 0) flags[blockIdx.x] = any != 0;
}

__global__ void __launch_bounds__(block_threads)
    join_kernel(const std::int32_t* __restrict__ flags, int blocks, StepGuard* guard) {
  bool found = false;
  for (int i = static_cast<int>(threadIdx.x); i < blocks; i += block_threads) found = found || flags[i] != 0;
  const int any = __syncthreads_or(found);
  if (threadIdx.x == 0) update(guard, any != 0);
}

}  // namespace

void check_finite(Stream& stream, ConstView x, StepGuard* guard) {
  require_float32(stream, x);
  const float* const from = x.as<float>();
  const std::int64_t count = x.count(), packs = aligned_for_packs<4>(from) ? count / 4 : 0;
  if (count <= one_block_count) {
    launch(check_kernel, 1, threads_of_one, 0, stream, from, count, packs, guard);
    return;
  }
  const unsigned blocks = block_count(count, 4 * block_threads, loop_blocks);
  std::int32_t* flags = static_cast<std::int32_t*>(stream.workspace.borrow(blocks * sizeof(std::int32_t)));
  launch(find_kernel, blocks, block_threads, 0, stream, from, count, packs, flags);
  launch(join_kernel, 1, block_threads, 0, stream, flags, blocks, guard);
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
