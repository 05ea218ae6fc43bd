// gather_batch: a network's input from uint8 images that stay on the device.
//
// For i in [0, n): sample = order[state->position + i]; y[i] = labels[sample];
//   x[i, h, w, c] = (u8/255 − mean_c)/std_c of the cell that crop and flip put at (h, w), or 0 where that is padding of
//   zeros.
//   images: uint8 [m,h,w,c], x: T [n,h,w,c], float or bf16. The flip mirrors the cropped image: column w shows the crop's
//   column W − 1 − w.
//
// One block per image of the batch: its first thread draws the augmentation (a pure function of seed, epoch and sample:
// augmentation.h), then the threads walk the image's elements in memory order, so that writes are contiguous and reads are too
// but for the flip. Bytes per element 1 + 4 (bf16: 1 + 2); four integer and two float divisions. Which bounds it has not
// been measured.
#include "kernels/augmentation.h"
#include "kernels/cuda/elements.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

struct ImageSize {
  int h, w, c;
};

template <class T>
__global__ void __launch_bounds__(block_threads)
    gather_kernel(const __grid_constant__ GatherParams params, const StepState* __restrict__ state, ImageSize size,
                  const std::uint8_t* __restrict__ images, const std::int32_t* __restrict__ labels,
                  const std::int32_t* __restrict__ order, T* __restrict__ x, std::int32_t* __restrict__ y) {
  __shared__ std::int64_t sample_of_block;
  __shared__ Augmentation augmentation_of_block;
  if (threadIdx.x == 0) {
    const std::int64_t sample = order[state->position + blockIdx.x];
    sample_of_block = sample;
    augmentation_of_block = augmentation(params, state->epoch, sample);
    y[blockIdx.x] = labels[sample];
  }
  __syncthreads();

  const Augmentation shift = augmentation_of_block;
  const int count = size.h * size.w * size.c;
  const std::uint8_t* const image = images + sample_of_block * count;
  T* const out = x + static_cast<std::int64_t>(blockIdx.x) * count;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += block_threads) {
    const int c = i % size.c, cell = i / size.c, row = cell / size.w, column = cell % size.w;
    int h = row + shift.row - params.crop_padding;
    int w = (shift.flip ? size.w - 1 - column : column) + shift.column - params.crop_padding;
    if (params.reflect) h = static_cast<int>(reflected(h, size.h)), w = static_cast<int>(reflected(w, size.w));
    const bool inside = h >= 0 && h < size.h && w >= 0 && w < size.w;
    const float value =
        inside ? (static_cast<float>(image[(h * size.w + w) * size.c + c]) / 255.0f - params.mean[c]) / params.std[c] : 0.0f;
    out[i] = rounded<T>(value);
  }
}

}  // namespace

void gather_batch(Stream& stream, const GatherParams& params, const StepState* state, ConstView images, ConstView labels,
                  ConstView order, View x, View y) {
  const std::int64_t n = x.dims[0], h = x.dims[1], w = x.dims[2], c = x.dims[3];
  if (n > 0 && x.count() / n > 0x3fffffff)
    throw DeviceError("[gather_batch] an image of " + std::to_string(x.count() / n) +
                      " elements is too large for this kernel (at most 1073741823)");
  with_activation_type(stream, x.dtype, [&]<class T>(const LaunchOn& on, T) {
    launch(gather_kernel<T>, block_count(n, 1), block_threads, 0, on, params, state,
           ImageSize{static_cast<int>(h), static_cast<int>(w), static_cast<int>(c)}, images.as<std::uint8_t>(),
           labels.as<std::int32_t>(), order.as<std::int32_t>(), x.as<T>(), y.as<std::int32_t>());
  });
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
