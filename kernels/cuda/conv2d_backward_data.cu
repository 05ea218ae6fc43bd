// conv2d_backward_data: dx (+)= the transposed convolution of dy, as an implicit matrix product, float32.
//   dx[n,i,j,c] = Σ_{r,s,k} dy[n, (i + pad_top − r)/stride, (j + pad_left − s)/stride, k] · w[k,r,s,c],
// over those r, s whose divisions leave no remainder and stay inside dy. Where there are none, the sum is 0.
//
// Rows of the product are input pixels (n,i,j), columns input channels c, the inner dimension runs over (r,s,k). One block
// per 64 pixels × 64 channels (gemm.h). dy and w are both read along their contiguous axis, so w need not be transposed.
// 2·n·h·w·c·r·s·k FLOPs, of which 1/stride² count: with stride 2, three of four factors are zeros from the divisions.
// Bound by fp32 arithmetic from 32 channels on.
// Variants not here yet: one product per remainder class of the stride (leaves out those zeros), tensor cores.
#include "kernels/cuda/conv2d.h"
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

// Element (input pixel, (r,s,k)): the gradient of the output that reads this pixel through filter cell (r,s), or 0.
struct ReaderOperand {
  static constexpr bool depth_fastest = true;
  const float* dy;
  Conv2dSizes d;

  struct Line {
    std::int64_t image;  // offset of dy[n,0,0,0]
    int row, column;     // in the padded image; row: far outside for lines beyond the end
  };
  struct Step {
    int r, s, k;
  };
  __device__ Line line(std::int64_t pixel) const {
    if (pixel >= static_cast<std::int64_t>(d.n) * d.h * d.w) return {0, Conv2dSizes::outside, 0};
    const Conv2dSizes::Pixel i = d.input_pixel(pixel);
    return {static_cast<std::int64_t>(i.image) * d.p * d.q * d.k, i.row + d.pad_top, i.column + d.pad_left};
  }
  __device__ Step step(int inner) const {
    const int cell = inner / d.k, r = cell / d.s;
    return {r, cell - r * d.s, inner - cell * d.k};
  }
  __device__ float at(const Line& line, const Step& step) const {
    const int down = line.row - step.r, right = line.column - step.s;
    if (down < 0 || right < 0) return 0.0f;
    const int row = down / d.stride, column = right / d.stride;
    if (row >= d.p || column >= d.q || row * d.stride != down || column * d.stride != right) return 0.0f;
    return __ldg(dy + line.image + (row * d.q + column) * d.k + step.k);
  }
};

// Element ((r,s,k), channel c): w[k,r,s,c].
struct FilterOperand {
  static constexpr bool depth_fastest = false;
  const float* w;
  Conv2dSizes d;

  using Line = int;           // c; negative: beyond the end
  using Step = std::int64_t;  // offset of w[k,r,s,0]
  __device__ Line line(std::int64_t channel) const { return channel < d.c ? static_cast<int>(channel) : -1; }
  __device__ Step step(int inner) const {
    const int cell = inner / d.k, k = inner - cell * d.k;
    return (static_cast<std::int64_t>(k) * d.r * d.s + cell) * d.c;
  }
  __device__ float at(Line line, Step step) const { return line < 0 ? 0.0f : __ldg(w + step + line); }
};

__global__ void __launch_bounds__(gemm_threads)
    conv2d_backward_data_kernel(ReaderOperand readers, FilterOperand filters, int inner, GemmResult dx) {
  __shared__ GemmTiles tiles;
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * gemm_tile, column = blockIdx.y * std::int64_t{gemm_tile};
  float sum[gemm_own][gemm_own];
  gemm(readers, filters, row, column, 0, inner, tiles, sum);
  dx.store(gemm_place(row, column), sum);
}

}  // namespace

void conv2d_backward_data(Stream& stream, const Conv2dShape& shape, ConstView dy, ConstView w, Gradient dx) {
  require_float32(stream, dy);
  const Conv2dSizes d(shape);
  const std::int64_t pixels = shape.n * shape.h * shape.w, inner = shape.r * shape.s * shape.k;
  launch(conv2d_backward_data_kernel, gemm_grid(pixels, shape.c), gemm_threads, 0, stream, ReaderOperand{dy.as<float>(), d},
         FilterOperand{w.as<float>(), d}, gemm_inner(inner),
         GemmResult{dx.view.as<float>(), pixels, shape.c, nullptr, Activation::none, dx.accumulate});
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
