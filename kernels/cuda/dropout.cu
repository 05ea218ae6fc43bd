// Dropout, forward and backward alike: y_i (+)= keep_i · x_i / (1 − p), with
//   keep_i = to_unit(word i % 4 of philox(seed, dropout, dropout_stream(step, layer), i / 4)) ≥ p.
//
// Any shape, elements numbered in memory order (N,H,W,C). The mask is never stored: the backward pass draws it again.
// x, y: T, float or bf16.
// Threads: one per block of random words, that is per four neighbouring elements (16 bytes of float, 8 of bf16), striding
// over the grid. 8 bytes per element of float, 4 of bf16 (half as much again accumulating); ten Philox rounds per four
// elements, some 25 integer instructions an element. By that count memory and arithmetic take about the same time on an
// H200; which of them bounds it has not been measured.
#include "kernels/cuda/elements.h"
#include "kernels/cuda/launchers.h"
#include "kernels/philox.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

template <class T>
__global__ void __launch_bounds__(block_threads)
    dropout_kernel(const StepState* state, float probability, float factor, std::uint64_t seed, std::uint32_t layer,
                   const T* __restrict__ x, T* __restrict__ y, std::int64_t count, bool packs, bool accumulate) {
  const std::uint64_t stream = dropout_stream(state->step, layer);
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * block_threads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x; 4 * i < count; i += stride) {
    const Random4 random = philox(seed, Purpose::dropout, stream, static_cast<std::uint64_t>(i));
    const std::int64_t first = 4 * i;
    if (packs && first + 4 <= count) {
      Pack<4> value = load<4>(x + first);
      for (int j = 0; j < 4; ++j) value.v[j] = to_unit(random.v[j]) >= probability ? value.v[j] * factor : 0.0f;
      store(y + first, value, accumulate);
    } else {
      for (int j = 0; j < 4; ++j)  // counted to four with a test inside, so that random.v stays in registers
        if (first + j < count) {
          const float value = to_unit(random.v[j]) >= probability ? widened(x[first + j]) * factor : 0.0f;
          store(y + first + j, Pack<1>{{value}}, accumulate);
        }
    }
  }
}

}  // namespace

void dropout(Stream& stream, const DropoutParams& params, const StepState* state, ConstView x, Gradient y) {
  with_activation_type(stream, x.dtype, [&]<class T>(const LaunchOn& on, T) {
    const T* const from = x.as<T>();
    T* const to = y.view.as<T>();
    launch(dropout_kernel<T>, block_count(x.count(), 4 * block_threads, loop_blocks), block_threads, 0, on, state,
           static_cast<float>(params.probability), static_cast<float>(1.0 / (1.0 - params.probability)), params.seed,
           params.layer, from, to, x.count(), aligned_for_packs<4>(from, to), y.accumulate);
  });
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
