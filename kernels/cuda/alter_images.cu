// alter_images and mix_images: what is done to a batch's images once they are floats; formulas and draws: alteration.h.
//
//   alter_images  x [n,h,w,c] in place: colour jitter, then a square of zeros
//   mix_images    mixed[i] = s·x[i] + (1 − s)·x[n−1−i], or x[i] with a box of x[n−1−i]; share[i] = s, other[i] = y[n−1−i]
//
// One block per image. Its first thread draws; then the threads walk the image's cells (alter; all channels of a cell are one
// thread's, in both passes, so that nothing but the mean has to be shared) or its elements (mix) in memory order. Bytes per
// element 8 to 16 (bf16 half of it), about 12 FLOP for the jitter. Which bounds it has not been measured.
#include "kernels/alteration.h"
#include "kernels/cuda/elements.h"
#include "kernels/cuda/launchers.h"
#include "kernels/cuda/reduce.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

struct ImageSize {
  int h, w, c;
};

__device__ inline float held(float x) { return x < 0.0f ? 0.0f : x < 1.0f ? x : 1.0f; }

// One cell with its colours in 0 … 1.
struct Cell {
  float v[3];
  __device__ float grey(int channels) const { return channels < 3 ? v[0] : 0.299f * v[0] + 0.587f * v[1] + 0.114f * v[2]; }
};

template <class T>
__device__ inline Cell brightened(const AlterParams& params, float brightness, const T* cell, int coloured) {
  Cell bright = {{0.0f, 0.0f, 0.0f}};
#pragma unroll
  for (int c = 0; c < 3; ++c)
    if (c < coloured) bright.v[c] = held(brightness * (widened(cell[c]) * params.std[c] + params.mean[c]));
  return bright;
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    alter_kernel(const __grid_constant__ AlterParams params, const StepState* __restrict__ state, std::int64_t first,
                 ImageSize size, T* __restrict__ x) {
  __shared__ Jitter jitter_of_block;
  __shared__ Box box_of_block;
  __shared__ float scratch[max_warps];
  if (threadIdx.x == 0) {
    const std::int64_t place = state->position + first + blockIdx.x;
    jitter_of_block = jitter_of(params, state->epoch, place);
    box_of_block = cutout_of(params, state->epoch, place, size.h, size.w);
  }
  __syncthreads();

  const Jitter jitter = jitter_of_block;
  const Box box = box_of_block;
  const int cells = size.h * size.w, coloured = size.c < 3 ? size.c : 3;
  T* const image = x + static_cast<std::int64_t>(blockIdx.x) * cells * size.c;
  float mean = 0.0f;
  if (params.jitter > 0.0f) {  // the same for all threads
    for (int i = static_cast<int>(threadIdx.x); i < cells; i += block_threads)
      mean += brightened(params, jitter.brightness, image + i * size.c, coloured).grey(coloured);
    mean = block_sum(mean, scratch) / static_cast<float>(cells);
  }
  for (int i = static_cast<int>(threadIdx.x); i < cells; i += block_threads) {
    T* const cell = image + i * size.c;
    if (params.cutout > 0 && box.holds(i / size.w, i % size.w)) {
      for (int c = 0; c < size.c; ++c) cell[c] = rounded<T>(0.0f);
    } else if (params.jitter > 0.0f) {
      Cell v = brightened(params, jitter.brightness, cell, coloured);
#pragma unroll
      for (int c = 0; c < 3; ++c) v.v[c] = held(jitter.contrast * v.v[c] + (1.0f - jitter.contrast) * mean);
      const float grey = v.grey(coloured);
#pragma unroll
      for (int c = 0; c < 3; ++c)
        if (c < coloured)
          cell[c] = rounded<T>((held(jitter.saturation * v.v[c] + (1.0f - jitter.saturation) * grey) - params.mean[c]) /
                               params.std[c]);
    }
  }
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    mix_kernel(MixParams params, const StepState* __restrict__ state, std::int64_t first, ImageSize size,
               const T* __restrict__ x, const std::int32_t* __restrict__ y, T* __restrict__ mixed,
               std::int32_t* __restrict__ other, float* __restrict__ share) {
  __shared__ Mixture mixture_of_block;
  const std::int64_t i = blockIdx.x, j = static_cast<std::int64_t>(gridDim.x) - 1 - i;
  if (threadIdx.x == 0) {
    mixture_of_block = mixture_of(params, state->epoch, state->position + first + i, size.h, size.w);
    share[i] = mixture_of_block.share;
    other[i] = y[j];
  }
  __syncthreads();

  const Mixture mixture = mixture_of_block;
  const int count = size.h * size.w * size.c;
  const T *const own = x + i * count, *const its = x + j * count;
  T* const to = mixed + i * count;
  for (int e = static_cast<int>(threadIdx.x); e < count; e += block_threads) {
    const int cell = e / size.c;
    if (mixture.cut)
      to[e] = mixture.box.holds(cell / size.w, cell % size.w) ? its[e] : own[e];
    else
      to[e] = rounded<T>(mixture.share * widened(own[e]) + (1.0f - mixture.share) * widened(its[e]));
  }
}

ImageSize size_of(const ConstView& x) {
  const std::int64_t n = x.dims[0];
  if (n > 0 && x.count() / n > 0x3fffffff)
    throw DeviceError("an image of " + std::to_string(x.count() / n) +
                      " elements is too large for this kernel (at most 1073741823)");
  return {static_cast<int>(x.dims[1]), static_cast<int>(x.dims[2]), static_cast<int>(x.dims[3])};
}

}  // namespace

void alter_images(Stream& stream, const AlterParams& params, const StepState* state, std::int64_t first, View x) {
  with_activation_type(stream, x.dtype, [&]<class T>(const LaunchOn& on, T) {
    launch(alter_kernel<T>, block_count(x.dims[0], 1), block_threads, 0, on, params, state, first, size_of(x), x.as<T>());
  });
}

void mix_images(Stream& stream, const MixParams& params, const StepState* state, std::int64_t first, ConstView x,
                ConstView y, View mixed, View other, View share) {
  require_float32(stream, share);
  with_activation_type(stream, x.dtype, [&]<class T>(const LaunchOn& on, T) {
    launch(mix_kernel<T>, block_count(x.dims[0], 1), block_threads, 0, on, params, state, first, size_of(x), x.as<T>(),
           y.as<std::int32_t>(), mixed.as<T>(), other.as<std::int32_t>(), share.as<float>());
  });
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
