// conv2d_forward: y = f(conv(x, w) + bias) as a matrix product that is never written out (implicit GEMM), float32.
//   y[n,p,q,k] = Σ_{r,s,c} x[n, p·stride + r − pad_top, q·stride + s − pad_left, c] · w[k,r,s,c];
//   x: [n,h,w,c], w: [k,r,s,c], y: [n,p,q,k].
//
// Rows of the product are output pixels (n,p,q), columns output channels k, the inner dimension runs over (r,s,c): w is the
// second matrix as it lies in memory, and a row of the first one is a window of x, gathered while it is loaded. One block
// per 64 pixels × 64 channels (gemm.h). Channels are contiguous in x and w, so a warp reads 16 neighbouring channels of two
// pixels at a time.
// 2·n·p·q·k·r·s·c FLOPs; x is read about r·s/stride² times for each 64 output channels, mostly from L2: bound by fp32
// arithmetic from 32 channels on, by index arithmetic and idle columns where channels are few (k < 64).
// Variants not here yet: tensor cores, Winograd for 3×3, a kernel of its own for c ≤ 4.
#include "kernels/cuda/conv2d.h"
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

// Element (pixel, (r,s,c)): the input that output pixel sees through filter cell (r,s), or 0 in the padding.
struct WindowOperand {
  static constexpr bool depth_fastest = true;
  const float* x;
  Conv2dSizes d;

  struct Line {
    std::int64_t corner;  // offset of x[n, row, column, 0], the window's top left cell, which may lie outside x
    int row, column;      // row: far outside for lines beyond the end
  };
  struct Step {
    int offset, r, s;
  };
  __device__ Line line(std::int64_t pixel) const {
    if (pixel >= static_cast<std::int64_t>(d.n) * d.p * d.q) return {0, Conv2dSizes::outside, 0};
    const Conv2dSizes::Pixel o = d.output_pixel(pixel);
    const int row = o.row * d.stride - d.pad_top, column = o.column * d.stride - d.pad_left;
    return {d.input_offset(o.image, row, column), row, column};
  }
  __device__ Step step(int k) const {
    const int cell = k / d.c, r = cell / d.s, s = cell - r * d.s;
    return {(r * d.w + s) * d.c + (k - cell * d.c), r, s};
  }
  __device__ float at(const Line& line, const Step& step) const {
    const bool inside = d.inside_input(line.row + step.r, line.column + step.s);
    return inside ? __ldg(x + line.corner + step.offset) : 0.0f;
  }
};

__global__ void __launch_bounds__(gemm_threads)
    conv2d_forward_kernel(WindowOperand windows, GemmMatrix<true> filters, int inner, GemmResult y) {
  __shared__ GemmTiles tiles;
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * gemm_tile, column = blockIdx.y * std::int64_t{gemm_tile};
  float sum[gemm_own][gemm_own];
  gemm(windows, filters, row, column, 0, inner, tiles, sum);
  y.store(gemm_place(row, column), sum);
}

}  // namespace

void conv2d_forward(Stream& stream, const Conv2dShape& shape, ConstView x, ConstView w, const Conv2dEpilogue& epilogue,
                    View y) {
  if (epilogue.scale || epilogue.residual)
    throw MissingKernel("conv2d_forward with a scale or a residual", backend_name(stream));
  require_float32(stream, x);
  const Conv2dSizes d(shape);
  const std::int64_t pixels = shape.n * shape.p * shape.q, inner = shape.r * shape.s * shape.c;
  launch(conv2d_forward_kernel, gemm_grid(pixels, shape.k), gemm_threads, 0, stream, WindowOperand{x.as<float>(), d},
         GemmMatrix<true>{w.as<float>(), shape.k, inner}, gemm_inner(inner),
         GemmResult{y.as<float>(), pixels, shape.k, epilogue.shift.as<float>(), epilogue.activation, false});
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
