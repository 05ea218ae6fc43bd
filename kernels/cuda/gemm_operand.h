// What A and B of a matrix product *are*: a matrix, its transpose, the windows of an image, … Copying one (gemm_copy.h) walks
// along the depth in equal strides. What costs much is done once, before the loop: line(), step() and ahead() may divide. In
// the loop a depth moves on by additions (advance), and no element asks for a branch. An operand has
//   static constexpr Major major       neighbours along the depth, or along the lines, are neighbours in memory
//   static constexpr bool cached       is the same element read several times by one block? Then L1 may keep it
//   int lines                          rows of A, columns of B
//   Line line(int i)                   what is worked out once about line i < lines
//   Step step(int k)                   a depth, as far as it can be moved on; k may lie beyond the end
//   Ahead ahead(int count)             a stride of so many depths
//   void advance(Step&, Ahead)
//   Place place(const Step&, bool in)  what all lines share at this depth; without `in` nothing there is inside
//   GemmElement<T> at(Line, Place)     where the element is, and is it inside? If not it counts as 0 and is not read
//
// An operand is *chunked* where every aligned chunk of 16 bytes along its major axis is either in memory as it stands, at an
// aligned address, or wholly outside (channels in multiples of 4 float32 or 8 bf16). Then whole chunks are copied, else
// single elements.
#pragma once

#include <string>

#include "kernels/cuda/gemm_tile.h"
#include "kernels/errors.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

// A number of elements in bytes. Throws DeviceError where there are too many.
template <class T>
int gemm_bytes(int elements) {
  if (elements > 0x7fffffff / static_cast<int>(sizeof(T)))
    throw DeviceError("a matrix product with rows of " + std::to_string(elements) + " elements is too large");
  return elements * static_cast<int>(sizeof(T));
}

template <class T>
struct GemmElement {
  const T* from;
  bool inside;
};

// A matrix in memory: element (line i, depth k) is data[i·stride + k] (Major::depth) or data[k·stride + i]; stride = pitch in
// elements.
template <class T, Major major_>
struct GemmMatrix {
  static constexpr Major major = major_;
  static constexpr bool cached = false;
  const T* data;
  int lines;
  int pitch;  // bytes from one line to the next, or from one depth (gemm_bytes)

  using Line = const T*;
  using Step = int;
  struct Place {
    int k;
    bool inside;
  };
  __device__ Line line(int i) const {
    return pinned(behind(data, i, major == Major::depth ? pitch : static_cast<int>(sizeof(T))));
  }
  __device__ Step step(int k) const { return k; }
  __device__ int ahead(int count) const { return count; }
  __device__ void advance(Step& k, int count) const { k += count; }
  __device__ Place place(Step k, bool inside) const { return {k, inside}; }
  __device__ GemmElement<T> at(Line line, const Place& place) const {
    return {behind(line, place.k, major == Major::depth ? static_cast<int>(sizeof(T)) : pitch), place.inside};
  }
};

// Three digits of a number, the lowest and the middle one below the sizes of their places: an index into (filter rows,
// columns, channels), or into (images, rows, columns). Sizes and digits may be multiples of a stride.
struct GemmIndex {
  int high, middle, low;
};

// How such a number is moved on: by one addition with carry, whatever the sizes.
struct GemmStride {
  int middle_size, low_size;
  GemmIndex by;
  int carry_high = 1, carry_middle = 1;  // one unit of the digit

  __device__ void advance(GemmIndex& i) const {
    i.low += by.low;
    const bool low = i.low >= low_size;
    i.low -= low ? low_size : 0;
    i.middle += by.middle + (low ? carry_middle : 0);
    const bool middle = i.middle >= middle_size;
    i.middle -= middle ? middle_size : 0;
    i.high += by.high + (middle ? carry_high : 0);
  }
};

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
