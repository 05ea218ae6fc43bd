// global_average_pool_forward: y[n,c] = mean over H×W of x[n,h,w,c];  backward: dx[n,h,w,c] (+)= dy[n,c]/(H·W).
//
// Loop order: image, pixel, channel; threads take runs of images, so a sum never crosses threads.
// 4 bytes an element of x (accumulating backward 8): bound by memory.
#include "kernels/cpu/blocks.h"
#include "kernels/cpu/isa/simd_loops.h"
#include "kernels/cpu/launchers.h"

namespace tessera::kernels::cpu {

void global_average_pool_forward(Stream& stream, ConstView x, View y) {
  require_float32(stream, "global_average_pool_forward", {x, y});
  const SimdLoops& loops = simd_loops();
  const std::int64_t images = x.dims[0], channels = x.dims.last(), pixels = x.dims[1] * x.dims[2];
  const std::int64_t image = pixels * channels;
  parallel_for(stream, 0, images, 1 + grain_elements / std::max<std::int64_t>(image, 1),
               [&](std::int64_t first, std::int64_t last) {
                 for (std::int64_t n = first; n < last; ++n) {
                   float* to = y.as<float>() + n * channels;
                   std::fill_n(to, channels, 0.0f);
                   loops.column_sums(x.as<float>() + n * image, image, channels, to);
                   for (std::int64_t c = 0; c < channels; ++c) to[c] /= static_cast<float>(pixels);
                 }
               });
}

void global_average_pool_backward(Stream& stream, ConstView dy, Gradient dx) {
  require_float32(stream, "global_average_pool_backward", {dy, dx.view});
  if (!dx) return;
  const SimdLoops& loops = simd_loops();
  const Dims& dims = dx.view.dims;
  const std::int64_t images = dims[0], channels = dims.last(), pixels = dims[1] * dims[2], image = pixels * channels;
  const float factor = 1.0f / static_cast<float>(pixels);
  parallel_for(stream, 0, images, 1 + grain_elements / std::max<std::int64_t>(image, 1),
               [&](std::int64_t first, std::int64_t last) {
                 for (std::int64_t n = first; n < last; ++n) {
                   const float* from = dy.as<float>() + n * channels;
                   float* to = dx.view.as<float>() + n * image;
                   for (std::int64_t pixel = 0; pixel < pixels; ++pixel)
                     loops.scale(factor, from, to + pixel * channels, dx.accumulate, channels);
                 }
               });
}

}  // namespace tessera::kernels::cpu
