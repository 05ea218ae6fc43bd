// What A and B of a matrix product *are* (a matrix, its transpose, the windows of an image, …), and their way into shared
// memory. An operand has
//   static constexpr Major major    neighbours along the depth, or along the lines, are neighbours in memory
//   const T* data                   an address that may be given where nothing is read
//   Line line(int i)                what can be worked out once about row i of A (column i of B); i may lie beyond the end
//   Step step(int k)                what can be worked out once about depth k, which is inside the given range
//   const T* at(Line, Step)         the element; null where it is 0 (the padding of an image, lines beyond the end)
//
// An operand is *chunked* where every aligned chunk of 16 bytes along its major axis is either in memory as it stands, at an
// aligned address, or wholly 0 (channels in multiples of 4 float32 or 8 bf16). Then chunks are copied whole and
// asynchronously. Otherwise elements are: floats asynchronously too, bf16 through a register, since there is no such copy of
// two bytes. That path divides for every element; it is meant for first layers (3 channels) and odd sizes.
#pragma once

#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/cuda/async_copy.h"
#include "kernels/cuda/gemm_tile.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

// A matrix in memory: element (line i, depth k) is data[i·stride + k] (Major::depth) or data[k·stride + i].
template <class T, Major major_>
struct GemmMatrix {
  static constexpr Major major = major_;
  const T* data;
  int lines;
  std::int64_t stride;

  using Line = std::int64_t;  // offset of the line's first element; negative: beyond the end
  using Step = std::int64_t;
  __device__ Line line(int i) const { return i < lines ? (major == Major::depth ? i * stride : i) : -1; }
  __device__ Step step(int k) const { return major == Major::depth ? k : k * stride; }
  __device__ const T* at(Line line, Step step) const { return line < 0 ? nullptr : data + line + step; }
};

// from: null for 0; any: where a source that is not read may point.
__device__ inline void copy_element(float* to, const float* from, const float* any) {
  cp_async4(to, from ? from : any, from != nullptr);
}
__device__ inline void copy_element(bf16* to, const bf16* from, const bf16*) {
  to->bits = from ? __ldg(&from->bits) : std::uint16_t{0};
}

// One thread's part in bringing steps of an operand into shared memory: chunks of one place along the major axis.
template <class Operand, class Layout, class T, int lines, int threads, bool chunked>
class GemmCopy {
 public:
  __device__ GemmCopy(const Operand& operand, int first_line) : operand_(operand), first_line_(first_line) {
    if constexpr (Operand::major == Major::depth) {
#pragma unroll
      for (int i = 0; i < copies; ++i) lines_[i] = operand.line(first_line + line_of(i));
    } else if constexpr (chunked) {
      lines_[0] = operand.line(first_line + line_of(0));
    }
  }

  // Depths [k, k + gemm_depth) to `tile`; from `end` on, zeros.
  __device__ void load(T* tile, int k, int end) const {
    if constexpr (Operand::major == Major::depth && chunked) {
      const bool inside = k + depth_of(0) < end;
      const auto step = operand_.step(inside ? k + depth_of(0) : k);
#pragma unroll
      for (int i = 0; i < copies; ++i)
        copy_chunk(tile, line_of(i), depth_of(0), inside ? operand_.at(lines_[i], step) : nullptr);
    } else if constexpr (Operand::major == Major::depth) {
#pragma unroll 4
      for (int e = 0; e < gemm_chunk<T>; ++e) {
        const int depth = depth_of(0) + e;
        const bool inside = k + depth < end;
        const auto step = operand_.step(inside ? k + depth : k);
#pragma unroll
        for (int i = 0; i < copies; ++i)
          copy_element(tile + Layout::offset(line_of(i), depth), inside ? operand_.at(lines_[i], step) : nullptr,
                       operand_.data);
      }
    } else {
#pragma unroll
      for (int i = 0; i < copies; ++i) {
        const int depth = depth_of(i);
        const bool inside = k + depth < end;
        const auto step = operand_.step(inside ? k + depth : k);
        if constexpr (chunked) {
          copy_chunk(tile, line_of(0), depth, inside ? operand_.at(lines_[0], step) : nullptr);
        } else {
#pragma unroll 4
          for (int e = 0; e < gemm_chunk<T>; ++e)
            copy_element(tile + Layout::offset(line_of(0) + e, depth),
                         inside ? operand_.at(operand_.line(first_line_ + line_of(0) + e), step) : nullptr, operand_.data);
        }
      }
    }
  }

 private:
  static constexpr int chunk = gemm_chunk<T>, depth_chunks = gemm_depth<T> / chunk, line_chunks = lines / chunk;
  static constexpr int copies = lines * depth_chunks / threads;
  static_assert(copies * threads == lines * depth_chunks);
  static constexpr int line_states = Operand::major == Major::depth ? copies : 1;

  // Neighbouring threads take neighbouring chunks. Of copy i: its first line, its first depth.
  __device__ static int line_of(int i) {
    const int thread = static_cast<int>(threadIdx.x);
    return Operand::major == Major::depth ? thread / depth_chunks + i * (threads / depth_chunks)
                                          : thread % line_chunks * chunk;
  }
  __device__ static int depth_of(int i) {
    const int thread = static_cast<int>(threadIdx.x);
    return Operand::major == Major::depth ? thread % depth_chunks * chunk
                                          : thread / line_chunks + i * (threads / line_chunks);
  }

  __device__ void copy_chunk(T* tile, int line, int depth, const T* from) const {
    if constexpr (Operand::major == Layout::major) {
      cp_async16(tile + Layout::offset(line, depth), from ? from : operand_.data, from != nullptr);
    } else {  // turned on the way: the tile is line-major, the operand depth-major
#pragma unroll
      for (int e = 0; e < chunk; ++e)
        copy_element(tile + Layout::offset(line, depth + e), from ? from + e : nullptr, operand_.data);
    }
  }

  const Operand& operand_;
  int first_line_;
  decltype(operand_.line(0)) lines_[line_states];
};

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
