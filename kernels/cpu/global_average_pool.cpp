// global_average_pool_forward: y[n,c] = mean over H×W of x[n,h,w,c];  backward: dx[n,h,w,c] (+)= dy[n,c]/(H·W).
//
// Loop order: image, pixel, channel; threads take runs of images, so a sum never crosses threads.
// 4 bytes an element of x (accumulating backward 8): bound by memory.
#include "kernels/cpu/launchers.h"
#include "kernels/cpu/pieces.h"
#include "kernels/cpu/scratch.h"

namespace tessera::kernels::cpu {

void global_average_pool_forward(Stream& stream, ConstView x, View y) {
  require_float(stream, "global_average_pool_forward", {x, y});
  const SimdLoops& loops = simd_loops(stream);
  const std::int64_t images = x.dims[0], channels = x.dims.last(), pixels = x.dims[1] * x.dims[2];
  const std::int64_t image = pixels * channels, piece = is_bf16(x) ? channels : image;
  Scratch scratch(stream, 2 * stream.options.threads * whole_lines(channels));
  float* buffers = scratch.take(0);
  parallel_workers_for(stream, 0, images, 1 + grain_elements / std::max<std::int64_t>(image, 1),
                       [&](int worker, std::int64_t first, std::int64_t last) {
                         float* buffer = buffers + 2 * worker * whole_lines(channels);
                         float* sums = buffer + whole_lines(channels);
                         for (std::int64_t n = first; n < last; ++n) {
                           const Gradient means{y, false};
                           float* to = widened(loops, means, n * channels, channels, sums);
                           std::fill_n(to, channels, 0.0f);
                           for_pieces(n * image, (n + 1) * image, piece, [&](std::int64_t at, std::int64_t count) {
                             loops.column_sums(widened(loops, x, at, count, buffer), count, channels, to);
                           });
                           for (std::int64_t c = 0; c < channels; ++c) to[c] /= static_cast<float>(pixels);
                           narrow_back(loops, means, n * channels, channels, sums);
                         }
                       });
}

void global_average_pool_backward(Stream& stream, ConstView dy, Gradient dx) {
  if (!dx) return;
  require_float(stream, "global_average_pool_backward", {dy, dx.view});
  const SimdLoops& loops = simd_loops(stream);
  const Dims& dims = dx.view.dims;
  const std::int64_t images = dims[0], channels = dims.last(), pixels = dims[1] * dims[2], image = pixels * channels;
  const float factor = 1.0f / static_cast<float>(pixels);
  Scratch scratch(stream, 2 * stream.options.threads * whole_lines(channels));
  float* buffers = scratch.take(0);
  parallel_workers_for(stream, 0, images, 1 + grain_elements / std::max<std::int64_t>(image, 1),
                       [&](int worker, std::int64_t first, std::int64_t last) {
                         float* buffer = buffers + 2 * worker * whole_lines(channels);
                         float* pixel = buffer + whole_lines(channels);
                         for (std::int64_t n = first; n < last; ++n) {
                           const float* from = widened(loops, dy, n * channels, channels, buffer);
                           for_pieces(n * image, (n + 1) * image, channels, [&](std::int64_t at, std::int64_t count) {
                             float* to = widened(loops, dx, at, count, pixel);
                             loops.scale(factor, from, to, dx.accumulate, count);
                             narrow_back(loops, dx, at, count, pixel);
                           });
                         }
                       });
}

}  // namespace tessera::kernels::cpu
