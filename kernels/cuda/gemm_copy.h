// The way of an operand into shared memory: which thread copies what of a step.
//
// A thread has the same places of every step, in chunks of 16 bytes or, of operands that have no whole ones, in single
// elements. Neighbouring threads take neighbours along the operand's major axis:
//   Major::depth   one chunk of the step's depth (or four single depths), of one in every few lines
//   Major::line    one place in each 64 lines (elements: 16), of one in every few depths
// so that little must be remembered, and moved on from step to step. Floats and chunks are copied asynchronously, single bf16
// through a register, since there is no such copy of two bytes.
#pragma once

#include "kernels/bf16.h"
#include "kernels/cuda/async_copy.h"
#include "kernels/cuda/gemm_operand.h"
#include "kernels/cuda/gemm_tile.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

template <class Operand, class Layout, class T, int tile_lines, int threads, bool chunked>
class GemmCopy {
 public:
  // From depth `begin` on, of the lines first_line, first_line + 1, …; beyond the last line it is copied again, for sums
  // that nobody reads.
  __device__ GemmCopy(const Operand& operand, int first_line, int begin)
      : operand_(operand),
        step_(operand.step(begin + depth_of(0))),
        ahead_(operand.ahead(depths / own_depths)),
        own_(pinned(Layout::offset(line_of(0), depth_of(0)) * static_cast<int>(sizeof(T)))) {
    const int last = operand.lines - (along_lines ? width : 1);
#pragma unroll
    for (int i = 0; i < own_lines; ++i) {
      const int line = first_line + line_of(i), known = line < last ? line : last;
      lines_[i] = operand.line(known < 0 ? 0 : known);
    }
  }

  // The next step to `tile`: `left` depths of it, at most gemm_depth; the others become zeros.
  __device__ void load(T* tile, int left) {
#pragma unroll
    for (int j = 0; j < own_depths; ++j) {
      const auto place = operand_.place(step_, depth_of(j) < left);
#pragma unroll
      for (int i = 0; i < own_lines; ++i) copy(target(tile, i, j), operand_.at(lines_[i], place));
      operand_.advance(step_, ahead_);  // after the last one, to the next step's first
    }
  }

 private:
  static constexpr bool along_lines = Operand::major == Major::line;
  static constexpr int width = chunked ? gemm_chunk<T> : 1;  // elements at a time
  static constexpr int depths = gemm_depth<T>;
  // Threads side by side along the major axis, rows of threads along the other.
  static constexpr int side = (along_lines ? (chunked ? 64 : 16) : chunked ? depths : depths / 4) / width;
  static constexpr int rows = threads / side;
  static constexpr int own_lines = along_lines ? tile_lines / (side * width) : tile_lines / rows;
  static constexpr int own_depths = along_lines ? depths / rows : depths / (side * width);
  static_assert(own_lines * own_depths * threads * width == tile_lines * depths);

  __device__ static int line_of(int i) {
    const int thread = static_cast<int>(threadIdx.x);
    return along_lines ? (thread % side + i * side) * width : thread / side + i * rows;
  }
  __device__ static int depth_of(int j) {
    const int thread = static_cast<int>(threadIdx.x);
    return along_lines ? thread / side + j * rows : (thread % side + j * side) * width;
  }

  // Between neighbouring places of a thread, and from the first one in bytes, where that is the same for all threads.
  static constexpr int line_step = own_lines == 1 ? 0 : along_lines ? side * width : rows;
  static constexpr int depth_step = own_depths == 1 ? 0 : along_lines ? rows : side * width;
  __device__ T* target(T* tile, int i, int j) const {
    constexpr int line = Layout::template apart<line_step, 0>, depth = Layout::template apart<0, depth_step>;
    if constexpr (line >= 0 && depth >= 0)
      return bytes_behind(tile, own_) + i * line + j * depth;
    else
      return tile + Layout::offset(line_of(i), depth_of(j));
  }

  __device__ static void copy(T* to, const GemmElement<T>& element) {
    if constexpr (!chunked) {
      copy_one(to, element.from, element.inside);
    } else if constexpr (Operand::major != Layout::major) {  // turned: the tile lies depth after depth, the chunk along it
#pragma unroll
      for (int e = 0; e < width; ++e) copy_one(to + e * Layout::template apart<0, 1>, element.from + e, element.inside);
    } else if constexpr (Operand::cached) {
      cp_async16_cached(to, element.from, element.inside);
    } else {
      cp_async16(to, element.from, element.inside);
    }
  }
  __device__ static void copy_one(float* to, const float* from, bool inside) { cp_async4(to, from, inside); }
  __device__ static void copy_one(bf16* to, const bf16* from, bool inside) {
    to->bits = inside ? __ldg(&from->bits) : std::uint16_t{0};
  }

  const Operand& operand_;
  typename Operand::Step step_;  // the depth that is copied next
  const decltype(operand_.ahead(0)) ahead_;
  int own_;  // of the first place, in bytes from a step's first
  typename Operand::Line lines_[own_lines];
};

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
