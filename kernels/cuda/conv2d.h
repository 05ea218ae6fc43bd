// What the three convolutions share: their sizes in 32 bits, since divisions and comparisons of 64 bits cost several times
// as much on a GPU, and the operand that reads the windows of an image. Offsets into whole tensors stay 64-bit.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/cuda/fast_divide.h"
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/gpu.h"
#include "kernels/errors.h"
#include "kernels/params.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

struct Conv2dSizes {
  int n, h, w, c, k, r, s, p, q, stride, pad_top, pad_left;
  int inputs, outputs;  // pixels of all images

  // Throws DeviceError where one image or one filter has 2³⁰ elements or more, or all images nearly 2³¹ pixels.
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
        pad_left(static_cast<int>(d.pad_left)),
        inputs(gemm_size(d.n * d.h * d.w)),
        outputs(gemm_size(d.n * d.p * d.q)) {
    constexpr std::int64_t most = std::int64_t{1} << 30;
    const auto small = [](std::int64_t a, std::int64_t b, std::int64_t e) {
      return a < most && b < most && e < most && a * b < most && a * b * e < most;
    };
    if (d.n >= most || !small(d.h, d.w, d.c) || !small(d.p, d.q, d.k) || !small(d.r, d.s, d.c) || !small(d.r, d.s, d.k))
      throw DeviceError(
          "a convolution whose image, output or filter has 2^30 elements or more is too large for the GPU kernels");
  }
};

// The windows of an image as a matrix: element (pixel, cell) is what an output pixel sees through a cell (r, s, channel) of
// the filter, 0 in the padding. Window and image are general enough for both directions: the window of output pixel (i, j)
// has its first cell at (i·stride + top, j·stride + left), its next rows and columns in `direction`, +1 or −1.
// Major::depth: a line is a pixel, a step a cell; Major::line: the other way round.
template <class T, Major major_>
struct Conv2dWindows {
  static constexpr Major major = major_;
  static constexpr int outside = -(1 << 30);  // a row that no cell brings back into the image

  const T* data;
  int height, width, channels;     // of the image that is read
  int pixels;                      // of all outputs
  FastDivide by_rows, by_columns;  // of one output
  int cells;                       // rows · columns · channels of the window
  FastDivide by_window_columns, by_channels;
  int stride, top, left, direction;

  struct Pixel {
    std::int64_t corner;  // offset of the window's first cell, which may lie outside the image
    int row, column;
  };
  struct Cell {
    int offset, row, column;  // from the first cell
  };
  __device__ Pixel pixel(int index) const {
    const auto [line, j] = by_columns(index);
    const auto [image, i] = by_rows(line);
    const int row = i * stride + top, column = j * stride + left;
    return {((static_cast<std::int64_t>(image) * height + row) * width + column) * channels, row, column};
  }
  __device__ Cell cell(int index) const {
    const auto [place, channel] = by_channels(index);
    const auto [r, s] = by_window_columns(place);
    return {direction * (r * width + s) * channels + channel, direction * r, direction * s};
  }

  using Line = std::conditional_t<major == Major::depth, Pixel, Cell>;
  using Step = std::conditional_t<major == Major::depth, Cell, Pixel>;
  __device__ Line line(int i) const {
    if constexpr (major == Major::depth)
      return i < pixels ? pixel(i) : Pixel{0, outside, 0};
    else
      return i < cells ? cell(i) : Cell{0, outside, 0};
  }
  __device__ Step step(int k) const {
    if constexpr (major == Major::depth)
      return cell(k);
    else
      return pixel(k);
  }
  __device__ const T* at(const Line& line, const Step& step) const {
    const int row = line.row + step.row, column = line.column + step.column;
    const bool inside = static_cast<unsigned>(row) < static_cast<unsigned>(height) &&
                        static_cast<unsigned>(column) < static_cast<unsigned>(width);
    return inside ? data + offset_of(line) + offset_of(step) : nullptr;
  }

 private:
  __device__ static std::int64_t offset_of(const Pixel& p) { return p.corner; }
  __device__ static int offset_of(const Cell& c) { return c.offset; }
};

// The windows of x that the outputs see.
template <Major major, class T>
Conv2dWindows<T, major> windows_of(const T* x, const Conv2dSizes& d) {
  return {.data = x,
          .height = d.h,
          .width = d.w,
          .channels = d.c,
          .pixels = d.outputs,
          .by_rows = FastDivide(d.p),
          .by_columns = FastDivide(d.q),
          .cells = d.r * d.s * d.c,
          .by_window_columns = FastDivide(d.s),
          .by_channels = FastDivide(d.c),
          .stride = d.stride,
          .top = -d.pad_top,
          .left = -d.pad_left,
          .direction = 1};
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
