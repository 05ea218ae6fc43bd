// Sizes of a convolution as its kernels want them: 32-bit, since divisions and comparisons of 64 bits cost several times as
// much on a GPU. Offsets into whole tensors stay 64-bit.
#pragma once

#include <cstdint>

#include "kernels/cuda/gpu.h"
#include "kernels/errors.h"
#include "kernels/params.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

struct Conv2dSizes {
  int n, h, w, c, k, r, s, p, q, stride, pad_top, pad_left;

  static constexpr int outside = -(1 << 30);  // a row that no filter row brings back into the image

  // Throws DeviceError where one image or one filter has 2³⁰ elements or more.
  explicit Conv2dSizes(const Conv2dShape& d)
      : n(static_cast<int>(d.n)),
        h(static_cast<int>(d.h)),
        w(static_cast<int>(d.w)),
        c(static_cast<int>(d.c)),
        k(static_cast<int>(d.k)),
        r(static_cast<int>(d.r)),
        s(static_cast<int>(d.s)),
        p(static_cast<int>(d.p)),
        q(static_cast<int>(d.q)),
        stride(static_cast<int>(d.stride)),
        pad_top(static_cast<int>(d.pad_top)),
        pad_left(static_cast<int>(d.pad_left)) {
    constexpr std::int64_t most = std::int64_t{1} << 30;
    const auto small = [](std::int64_t a, std::int64_t b, std::int64_t e) {
      return a < most && b < most && e < most && a * b < most && a * b * e < most;
    };
    if (d.n >= most || !small(d.h, d.w, d.c) || !small(d.p, d.q, d.k) || !small(d.r, d.s, d.c) || !small(d.r, d.s, d.k))
      throw DeviceError(
          "a convolution whose image, output or filter has 2^30 elements or more is too large for the GPU kernels");
  }

  struct Pixel {
    int image, row, column;
  };
  __device__ static Pixel pixel(std::int64_t index, int rows, int columns) {
    const int cells = rows * columns;
    const int image = static_cast<int>(index / cells),
              cell = static_cast<int>(index - static_cast<std::int64_t>(image) * cells);
    const int row = cell / columns;
    return {image, row, cell - row * columns};
  }
  __device__ Pixel output_pixel(std::int64_t index) const { return pixel(index, p, q); }
  __device__ Pixel input_pixel(std::int64_t index) const { return pixel(index, h, w); }

  // Of x[image, row, column, 0]; row and column may lie outside.
  __device__ std::int64_t input_offset(int image, int row, int column) const {
    return ((static_cast<std::int64_t>(image) * h + row) * w + column) * c;
  }
  __device__ bool inside_input(int row, int column) const {
    return static_cast<unsigned>(row) < static_cast<unsigned>(h) && static_cast<unsigned>(column) < static_cast<unsigned>(w);
  }
};

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
