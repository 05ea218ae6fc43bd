// The windows of an image as an operand of a matrix product: element (pixel, cell) is what an output pixel sees through cell
// (r, s, channel) of a filter, 0 in the padding. Neighbouring channels are neighbours in memory.
//
// Window and image are general enough for both directions of a convolution: the window of output pixel (i, j) begins at
// (i·stride + top, j·stride + left) of the image, and its next rows and columns lie in `direction`, +1 or −1.
//
// Where a cell falls is added up from where the window begins and where the cell lies in it. Pixels and cells are numbers in
// mixed radix, (image, i, j) and (r, s, channel), so that the walk along the depth never divides. Is the cell inside?
//   Conv2dPatches     a pixel is a line: the rows and columns of its window that lie outside are known beforehand, a bit each;
//                     a cell names its row's and its column's bit: one AND answers. Filters of up to 15 × 15 cells.
//   Conv2dWindows     both are compared with the image's size
#pragma once

#include <cstdint>

#include "kernels/cuda/conv2d.h"
#include "kernels/cuda/fast_divide.h"
#include "kernels/cuda/gemm_operand.h"
#include "kernels/cuda/gpu.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

struct Conv2dWindowSizes {
  int height, width, channels;     // of the image that is read
  int pixels;                      // of all outputs
  FastDivide by_rows, by_columns;  // of one output
  int cells;                       // rows · columns · channels of the window
  FastDivide by_window_columns, by_channels;
  int stride, top, left, direction;

  // (image, i·stride, j·stride) of an output pixel: where its window begins, but for `top` and `left`.
  __host__ __device__ GemmIndex pixel(int index) const {
    const auto [line, j] = by_columns(index);
    const auto [image, i] = by_rows(line);
    return {image, i * stride, j * stride};
  }
  // (r, s, channel)
  __host__ __device__ GemmIndex cell(int index) const {
    const auto [place, channel] = by_channels(index);
    const auto [r, s] = by_window_columns(place);
    return {r, s, channel};
  }
  __host__ __device__ GemmStride pixels_ahead(int count) const {
    return {by_rows.divisor() * stride, by_columns.divisor() * stride, pixel(count), 1, stride};
  }
  __host__ __device__ GemmStride cells_ahead(int count) const {
    return {by_window_columns.divisor(), channels, cell(count)};
  }

  // Of the image's pixels, the one where a window begins; before the first, where padding does.
  __device__ int corner(const GemmIndex& pixel) const {
    return (pixel.high * height + pixel.middle + top) * width + pixel.low + left;
  }
  // How many elements behind the window's first one the cell lies.
  __device__ int offset(const GemmIndex& cell) const {
    return direction * (cell.high * width + cell.middle) * channels + cell.low;
  }
};

// A pixel is a line, a cell a depth.
template <class T>
struct Conv2dPatches : Conv2dWindowSizes {
  static constexpr Major major = Major::depth;
  static constexpr bool cached = true;
  static constexpr int most = 15;  // rows or columns of a window

  const T* data;
  int lines;

  __host__ __device__ Conv2dPatches(const Conv2dWindowSizes& sizes, const T* image)
      : Conv2dWindowSizes(sizes), data(image), lines(sizes.pixels) {}

  struct Line {
    int corner;        // the pixel where the window begins
    unsigned outside;  // rows in the lower half, columns in the upper; the highest bit is set
  };
  using Step = GemmIndex;
  struct Place {
    const T* first;  // element of the cell, in a window that begins with the image
    unsigned cell;   // the bits of its row and column; all bits where nothing is inside
  };
  __device__ Line line(int i) const {
    const GemmIndex at = pixel(i);
    const unsigned rows = outside(at.middle + top, height), columns = outside(at.low + left, width);
    return {pinned(corner(at)), rows | columns << 16 | 1u << 31};
  }
  __device__ Step step(int k) const { return cell(k); }
  __device__ GemmStride ahead(int count) const { return cells_ahead(count); }
  __device__ void advance(Step& k, const GemmStride& by) const { by.advance(k); }
  __device__ Place place(const Step& k, bool inside) const {
    return {behind(data, offset(k)), inside ? 1u << k.high | 0x10000u << k.middle : ~0u};
  }
  __device__ GemmElement<T> at(const Line& line, const Place& place) const {
    return {behind(place.first, line.corner, channels * static_cast<int>(sizeof(T))), (line.outside & place.cell) == 0};
  }

 private:
  // Of a window that begins at `first`, the cells in this direction that miss 0 … size − 1.
  __device__ unsigned outside(int first, int size) const {
    const int begin = direction > 0 ? -first : first - size + 1, end = begin + size;
    return ~(ones(end) & ~ones(begin)) & ones(most);
  }
  __device__ static unsigned ones(int count) { return (1u << (count < 0 ? 0 : count > most ? most : count)) - 1; }
};

// Major::depth: a pixel is a line, a cell a depth; Major::line: the other way round.
template <class T, Major major_>
struct Conv2dWindows : Conv2dWindowSizes {
  static constexpr Major major = major_;
  static constexpr bool cached = true;
  static constexpr int nowhere = -(1 << 30);  // a row that no window brings back into the image

  const T* data;
  int lines;

  __host__ __device__ Conv2dWindows(const Conv2dWindowSizes& sizes, const T* image)
      : Conv2dWindowSizes(sizes), data(image), lines(major == Major::depth ? sizes.pixels : sizes.cells) {}

  // What pixels and cells are alike: a part of an element's place, to which the other adds.
  struct Pixel {
    const T* first;  // element of its window
    int row, column;
  };
  struct Cell {
    int offset, row, column;
  };
  using Line = std::conditional_t<major == Major::depth, Pixel, Cell>;
  using Step = GemmIndex;
  using Place = std::conditional_t<major == Major::depth, Cell, Pixel>;

  __device__ Line line(int i) const {
    if constexpr (major == Major::depth)
      return window(pixel(i), true);
    else
      return part(cell(i), true);
  }
  __device__ Step step(int k) const { return major == Major::depth ? cell(k) : pixel(k); }
  __device__ GemmStride ahead(int count) const { return major == Major::depth ? cells_ahead(count) : pixels_ahead(count); }
  __device__ void advance(Step& k, const GemmStride& by) const { by.advance(k); }
  __device__ Place place(const Step& k, bool inside) const {
    if constexpr (major == Major::depth)
      return part(k, inside);
    else
      return window(k, inside);
  }
  __device__ GemmElement<T> at(const Line& line, const Place& place) const {
    const auto row = static_cast<unsigned>(line.row + place.row), column = static_cast<unsigned>(line.column + place.column);
    const bool inside = (row < static_cast<unsigned>(height)) & (column < static_cast<unsigned>(width));
    if constexpr (major == Major::depth)
      return {behind(line.first, place.offset), inside};
    else
      return {behind(place.first, line.offset), inside};
  }

 private:
  __device__ Pixel window(const GemmIndex& p, bool inside) const {
    return {behind(data, corner(p), channels * static_cast<int>(sizeof(T))), inside ? p.middle + top : nowhere,
            p.low + left};
  }
  __device__ Cell part(const GemmIndex& c, bool inside) const {
    return {offset(c), inside ? direction * c.high : nowhere, direction * c.middle};
  }
};

// The windows of x that the outputs see.
inline Conv2dWindowSizes windows_of(const Conv2dSizes& d) {
  return {.height = d.h,
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

// May a product take Conv2dPatches of a filter?
inline bool has_patches(const Conv2dSizes& d) { return d.r <= 15 && d.s <= 15; }

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
