// conv2d_backward_weights: dw (+)= the correlation of x with dy, as an implicit matrix product, float32.
//   dw[k,r,s,c] = Σ_{n,p,q} dy[n,p,q,k] · x[n, p·stride + r − pad_top, q·stride + s − pad_left, c]
//
// Rows of the product are output channels k, columns filter cells (r,s,c), the inner dimension runs over output pixels
// (n,p,q): a small result and a very long sum. So the sum is split: block (tile of k, tile of (r,s,c), split) adds up its
// share of the pixels (gemm.h) and writes it to the workspace, and a second kernel adds the shares in their order. How many
// there are depends on the shape alone: the order of the sum is the same on every GPU. No atomics.
// 2·n·p·q·k·r·s·c FLOPs, bound by fp32 arithmetic; the shares cost 8·splits·k·r·s·c bytes written and read.
// Variants not here yet: tensor cores; tiles that fit k < 64.
#include <algorithm>

#include "kernels/cuda/conv2d.h"
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

// Element (output pixel, (r,s,c)): the input that this pixel sees through filter cell (r,s), or 0 in the padding.
struct CellOperand {
  static constexpr bool depth_fastest = false;
  const float* x;
  Conv2dSizes d;

  struct Line {
    int offset, r, s;  // r: far outside for lines beyond the end
  };
  struct Step {
    std::int64_t corner;
    int row, column;
  };
  __device__ Line line(std::int64_t element) const {
    if (element >= static_cast<std::int64_t>(d.r) * d.s * d.c) return {0, Conv2dSizes::outside, 0};
    const int i = static_cast<int>(element), cell = i / d.c, r = cell / d.s, s = cell - r * d.s;
    return {(r * d.w + s) * d.c + (i - cell * d.c), r, s};
  }
  __device__ Step step(int pixel) const {
    const Conv2dSizes::Pixel o = d.output_pixel(pixel);
    const int row = o.row * d.stride - d.pad_top, column = o.column * d.stride - d.pad_left;
    return {d.input_offset(o.image, row, column), row, column};
  }
  __device__ float at(const Line& line, const Step& step) const {
    const bool inside = d.inside_input(step.row + line.r, step.column + line.s);
    return inside ? __ldg(x + step.corner + line.offset) : 0.0f;
  }
};

// Split z sums pixels z·share … into the z-th of the results that lie one after another.
__global__ void __launch_bounds__(gemm_threads)
    conv2d_backward_weights_kernel(GemmMatrix<false> gradients, CellOperand cells, int pixels, int share, GemmResult dw) {
  __shared__ GemmTiles tiles;
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * gemm_tile, column = blockIdx.y * std::int64_t{gemm_tile};
  const int begin = static_cast<int>(blockIdx.z) * share, end = pixels - begin < share ? pixels : begin + share;
  float sum[gemm_own][gemm_own];
  gemm(gradients, cells, row, column, begin, end, tiles, sum);
  dw.data += blockIdx.z * dw.rows * dw.columns;
  dw.store(gemm_place(row, column), sum);
}

// dw[i] (+)= Σ_z shares[z, i], z in order; one thread per element.
__global__ void __launch_bounds__(256)
    join_kernel(const float* shares, int splits, float* dw, std::int64_t count, bool accumulate) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * 256 + threadIdx.x;
  if (i >= count) return;
  float sum = 0.0f;
  for (int z = 0; z < splits; ++z) sum += shares[z * count + i];
  dw[i] = accumulate ? dw[i] + sum : sum;
}

// As many as make about four blocks for each of 132 multiprocessors (an H100), but at least 128 pixels each, and at most
// 64 MiB of workspace.
int split_count(std::int64_t tiles, std::int64_t pixels, std::int64_t elements) {
  constexpr std::int64_t blocks = 4 * 132, pixels_each = 128, workspace = (64 << 20) / sizeof(float);
  const std::int64_t wanted = ceil_div(blocks, tiles), by_pixels = ceil_div(pixels, pixels_each),
                     by_space = workspace / elements;
  const std::int64_t splits = std::min({wanted, by_pixels, by_space});
  return static_cast<int>(std::max<std::int64_t>(splits, 1));
}

}  // namespace

void conv2d_backward_weights(Stream& stream, const Conv2dShape& shape, ConstView x, ConstView dy, Gradient dw) {
  require_float32(stream, x);
  const Conv2dSizes d(shape);
  const std::int64_t pixels = shape.n * shape.p * shape.q, columns = shape.r * shape.s * shape.c, count = shape.k * columns;
  const std::int64_t tiles = ceil_div<std::int64_t>(shape.k, gemm_tile) * ceil_div<std::int64_t>(columns, gemm_tile);
  const std::int64_t even = ceil_div<std::int64_t>(pixels, split_count(tiles, pixels, count));
  const int share = gemm_inner(std::max<std::int64_t>(ceil_div<std::int64_t>(even, gemm_depth), 1) * gemm_depth);
  const int splits = static_cast<int>(std::max<std::int64_t>(ceil_div<std::int64_t>(pixels, share), 1));

  GemmResult result{dw.view.as<float>(), shape.k, columns, nullptr, Activation::none, dw.accumulate};
  if (splits > 1) {
    result.data = static_cast<float*>(stream.workspace.borrow(static_cast<std::size_t>(splits * count) * sizeof(float)));
    result.accumulate = false;
  }
  launch(conv2d_backward_weights_kernel, gemm_grid(shape.k, columns, static_cast<unsigned>(splits)), gemm_threads, 0, stream,
         GemmMatrix<false>{dy.as<float>(), shape.k, shape.k}, CellOperand{x.as<float>(), d}, gemm_inner(pixels), share,
         result);
  if (splits > 1)
    launch(join_kernel, block_count(count, 256), 256, 0, stream, result.data, splits, dw.view.as<float>(), count,
           dw.accumulate);
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
