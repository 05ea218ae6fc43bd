// Reordering of axes: y (+)= x with y.dims[i] = x.dims[axes[i]], rank 4 (N,H,W,C → N,C,H,W before a flattening layer, …).
//
// x, y: T, float or bf16. Twice T's size per element (three times accumulating), no arithmetic but addresses; bound by
// memory.
//
// First the permutation is simplified: axes of extent 1 are dropped, axes that stay neighbours are merged (N,H,W,C → N,C,H,W
// becomes [N, HW, C] → [N, C, HW]). Then
//   * where the innermost axis stays innermost (or nothing is left), one thread copies one element, in y's order: both
//     sides are contiguous within a warp;
//   * otherwise 32 × 32 tiles, spanned by x's and y's innermost axes, go through shared memory: rows of x are read and rows
//     of y written contiguously. A block has 32 × 8 threads and strides over the tiles. The tile's rows are 33 words
//     long, so that a column of it lies in 32 different banks. An axis shorter than 32 leaves lanes idle.
// Left: packs of several elements, which for bf16 would fill the 64-byte rows of a tile to 128.
#include <utility>

#include "kernels/cuda/elements.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

constexpr int tile_size = 32;
constexpr int tile_step = block_threads / tile_size;  // rows of a tile that a block handles at once

// The simplified permutation: axes in y's order, right-aligned (missing ones have extent 1), strides in elements.
struct Axes {
  std::int64_t extent[4] = {1, 1, 1, 1};
  std::int64_t x_stride[4] = {0, 0, 0, 0};
  std::int64_t y_stride[4] = {0, 0, 0, 0};
};

Axes simplify(const std::array<int, 4>& order, const Dims& dims) {
  std::int64_t stride_of[4], stride = 1;
  for (int axis = 3; axis >= 0; --axis) {
    stride_of[axis] = stride;
    stride *= dims[axis];
  }
  Axes axes;
  int last = 4;  // the axes from here on are in place
  stride = 1;
  for (int i = 3; i >= 0; --i) {
    const std::int64_t extent = dims[order[i]], x_stride = stride_of[order[i]];
    if (extent == 1) continue;
    if (last < 4 && x_stride == axes.x_stride[last] * axes.extent[last]) {
      axes.extent[last] *= extent;
    } else {
      --last;
      axes.extent[last] = extent;
      axes.x_stride[last] = x_stride;
      axes.y_stride[last] = stride;
    }
    stride *= extent;
  }
  return axes;
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    copy_kernel(Axes axes, const T* __restrict__ x, T* __restrict__ y, std::int64_t count, bool accumulate) {
  const std::int64_t threads = static_cast<std::int64_t>(gridDim.x) * block_threads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x; i < count; i += threads) {
    std::int64_t rest = i, from = 0;
    for (int axis = 3; axis > 0; --axis) {
      from += rest % axes.extent[axis] * axes.x_stride[axis];
      rest /= axes.extent[axis];
    }
    store(y + i, load<1>(x + from + rest * axes.x_stride[0]), accumulate);
  }
}

// Axes 0 and 1 number the matrices, axis 2 is contiguous in x and axis 3 in y.
template <class T>
__global__ void __launch_bounds__(block_threads)
    transpose_kernel(Axes axes, const T* __restrict__ x, T* __restrict__ y, std::int64_t tiles, bool accumulate) {
  __shared__ float tile[tile_size][tile_size + 1];
  const int lane = static_cast<int>(threadIdx.x) % tile_size, warp = static_cast<int>(threadIdx.x) / tile_size;
  const std::int64_t tiles2 = ceil_div<std::int64_t>(axes.extent[2], tile_size);
  const std::int64_t tiles3 = ceil_div<std::int64_t>(axes.extent[3], tile_size);
  for (std::int64_t t = blockIdx.x; t < tiles; t += gridDim.x) {
    const std::int64_t matrix = t / (tiles2 * tiles3), in_matrix = t % (tiles2 * tiles3);
    const std::int64_t first2 = in_matrix / tiles3 * tile_size, first3 = in_matrix % tiles3 * tile_size;
    const std::int64_t i0 = matrix / axes.extent[1], i1 = matrix % axes.extent[1];

    const T* const from = x + i0 * axes.x_stride[0] + i1 * axes.x_stride[1];
    for (int row = warp; row < tile_size; row += tile_step)
      if (first3 + row < axes.extent[3] && first2 + lane < axes.extent[2])
        tile[row][lane] = widened(from[(first3 + row) * axes.x_stride[3] + first2 + lane]);
    __syncthreads();

    T* const to = y + i0 * axes.y_stride[0] + i1 * axes.y_stride[1];
    for (int row = warp; row < tile_size; row += tile_step)
      if (first2 + row < axes.extent[2] && first3 + lane < axes.extent[3])
        store(to + (first2 + row) * axes.y_stride[2] + first3 + lane, Pack<1>{{tile[lane][row]}}, accumulate);
    __syncthreads();  // the next tile overwrites this one
  }
}

}  // namespace

void permute(Stream& stream, std::array<int, 4> axes, ConstView x, Gradient y) {
  if (x.count() == 0) return;
  Axes simple = simplify(axes, x.dims);
  const bool copies = simple.x_stride[3] <= 1;
  for (int axis = 0; axis < 2 && !copies; ++axis)  // bring the axis that is contiguous in x to place 2
    if (simple.x_stride[axis] == 1) {
      std::swap(simple.extent[axis], simple.extent[2]);
      std::swap(simple.x_stride[axis], simple.x_stride[2]);
      std::swap(simple.y_stride[axis], simple.y_stride[2]);
    }
  const std::int64_t tiles = simple.extent[0] * simple.extent[1] * ceil_div<std::int64_t>(simple.extent[2], tile_size) *
                             ceil_div<std::int64_t>(simple.extent[3], tile_size);
  with_activation_type(stream, x.dtype, [&]<class T>(const LaunchOn& on, T) {
    const T* const from = x.as<T>();
    T* const to = y.view.as<T>();
    if (copies)
      launch(copy_kernel<T>, block_count(x.count(), block_threads, loop_blocks), block_threads, 0, on, simple, from, to,
             x.count(), y.accumulate);
    else
      launch(transpose_kernel<T>, block_count(tiles, 1, loop_blocks), block_threads, 0, on, simple, from, to, tiles,
             y.accumulate);
  });
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
