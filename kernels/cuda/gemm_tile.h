// The tiles of a matrix product C = A·B: which part of C a block and each of its warps owns, and how a step's share of A and
// B lies in shared memory.
//
// Lines are the rows of A and the columns of B; depth is the inner dimension. Of an operand, either neighbours along the
// depth or neighbours along the lines are neighbours in memory (Major). A step brings 64 bytes of depth of every line: 32
// bf16 or 16 floats. Everything is moved in chunks of 16 bytes along the major axis.
//
// Shared memory has 32 banks of 4 bytes: eight threads that read 16 bytes each are served at once if together they touch
// every bank. Chunks are therefore permuted (XOR) by their line or depth, at no cost in memory.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/cuda/gpu.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

enum class Major { depth, line };

// Makes a number one that compilers know nothing about: they else work it out anew in every round of a loop, or remember
// through a loop what is easily worked out behind it.
__device__ inline int pinned(int x) {
#if defined(__CUDACC__)
  asm volatile("" : "+r"(x));
#endif
  return x;
}
template <class T>
__device__ const T* pinned(const T* x) {
#if defined(__CUDACC__)
  asm volatile("" : "+l"(x));
#endif
  return x;
}

// The address so many bytes further.
template <class T>
__device__ T* bytes_behind(T* from, int bytes) {
  using Byte = std::conditional_t<std::is_const_v<T>, const unsigned char, unsigned char>;
  return reinterpret_cast<T*>(reinterpret_cast<Byte*>(from) + bytes);
}

// The address `count` times `bytes` further: one multiply-add of 32 bits into 64, which compilers miss where a factor does
// not change in a loop.
template <class T>
__device__ const T* behind(const T* from, int count, int bytes = static_cast<int>(sizeof(T))) {
#if defined(__CUDACC__)
  const T* to;
  asm("mad.wide.s32 %0, %1, %2, %3;" : "=l"(to) : "r"(count), "r"(bytes), "l"(from));
  return to;
#else
  return reinterpret_cast<const T*>(reinterpret_cast<const unsigned char*>(from) + static_cast<std::int64_t>(count) * bytes);
#endif
}

inline constexpr int gemm_depth_bytes = 64;
inline constexpr int gemm_chunk_bytes = 16;
template <class T>
inline constexpr int gemm_chunk = gemm_chunk_bytes / static_cast<int>(sizeof(T));  // elements
template <class T>
inline constexpr int gemm_depth = gemm_depth_bytes / static_cast<int>(sizeof(T));  // elements per step

// rows × columns of C per block, warp_rows × warp_columns of it per warp; warps count down the rows first.
template <int rows_, int columns_, int warp_rows_, int warp_columns_>
struct GemmTile {
  static constexpr int rows = rows_, columns = columns_, elements = rows * columns;
  static constexpr int warp_rows = warp_rows_, warp_columns = warp_columns_;
  static constexpr int down = rows / warp_rows, threads = down * (columns / warp_columns) * 32;
  static_assert(down * warp_rows == rows && columns % warp_columns == 0);

  // Where this thread's warp begins.
  __device__ static int row() { return static_cast<int>(threadIdx.x) / 32 % down * warp_rows; }
  __device__ static int column() { return static_cast<int>(threadIdx.x) / 32 / down * warp_columns; }
};

// offset(line, depth): where an element lies, in elements. Chunks stay whole. apart<lines, depths>: how far two elements are
// from each other that lie so many lines and depths apart, wherever the first one is; negative where that depends on it.
// Chunk j of line i lies at place j ^ (i/2 % 4) of the line's four: chunk j of eight lines, which is what ldmatrix reads,
// covers all banks. The pattern repeats every eight lines.
template <class T, int lines>
struct DepthMajorTile {
  static constexpr Major major = Major::depth;
  static constexpr int size = lines * gemm_depth<T>;
  __device__ static int offset(int line, int depth) {
    return line * gemm_depth<T> + ((depth / gemm_chunk<T> ^ (line / 2 & 3)) * gemm_chunk<T>)+depth % gemm_chunk<T>;
  }
  template <int line, int depth>
  static constexpr int apart = line % 8 == 0 && depth == 0 ? line* gemm_depth<T> : -1;
};

// Depth after depth, chunk j at place j ^ (depth % 8), or of four chunks at j ^ (depth/2 % 4): ldmatrix reads chunk j of eight
// depths.
template <class T, int lines>
struct LineMajorTile {
  static constexpr Major major = Major::line;
  static constexpr int size = lines * gemm_depth<T>, chunks = lines / gemm_chunk<T>;
  static_assert(chunks == 4 || chunks % 8 == 0);
  __device__ static int offset(int line, int depth) {
    const int turn = chunks == 4 ? depth / 2 & 3 : depth & 7;
    return depth * lines + (line / gemm_chunk<T> ^ turn) * gemm_chunk<T> + line % gemm_chunk<T>;
  }
  template <int line, int depth>
  static constexpr int apart = line % (8 * gemm_chunk<T>) == 0 && depth % 8 == 0 ? depth* lines + line : -1;
};

// Depth after depth of floats with a gap between them, which leaves a reader's addresses constant but for its first. Four
// floats where four neighbouring lines of one depth are read (stores along the depth then meet in pairs only); eight where
// single floats are, of four depths and eight lines.
template <int lines, int gap>
struct PaddedTile {
  static constexpr Major major = Major::line;
  static constexpr int stride = lines + gap, size = stride * gemm_depth<float>;
  __device__ static int offset(int line, int depth) { return depth * stride + line; }
  template <int line, int depth>
  static constexpr int apart = depth* stride + line;
};

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
