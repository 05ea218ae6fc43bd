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

#include "kernels/cuda/gpu.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

enum class Major { depth, line };

inline constexpr int gemm_depth_bytes = 64;
inline constexpr int gemm_chunk_bytes = 16;
template <class T>
inline constexpr int gemm_chunk = gemm_chunk_bytes / static_cast<int>(sizeof(T));  // elements
template <class T>
inline constexpr int gemm_depth = gemm_depth_bytes / static_cast<int>(sizeof(T));  // elements per step

// rows × columns of C per block.
template <int rows_, int columns_>
struct GemmTile {
  static constexpr int rows = rows_, columns = columns_, elements = rows * columns;
};

// How a tile is shared among warps: each owns warp_rows × warp_columns of it; warps count down the rows first.
template <class Tile, int warp_rows_, int warp_columns_>
struct GemmWarps {
  static constexpr int rows = warp_rows_, columns = warp_columns_;
  static constexpr int down = Tile::rows / rows, across = Tile::columns / columns, threads = down * across * 32;
  static_assert(down * rows == Tile::rows && across * columns == Tile::columns);

  __device__ static int row() { return static_cast<int>(threadIdx.x) / 32 % down * rows; }
  __device__ static int column() { return static_cast<int>(threadIdx.x) / 32 / down * columns; }
};

// offset(line, depth): where an element lies, in elements. Chunks stay whole.
// Chunk j of line i lies at place j ^ (i/2 % 4) of the line's four: chunk j of eight lines, which is what ldmatrix reads,
// covers all banks. The pattern repeats every eight lines.
template <class T, int lines>
struct DepthMajorTile {
  static constexpr Major major = Major::depth;
  static constexpr int size = lines * gemm_depth<T>;
  __device__ static int offset(int line, int depth) {
    return line * gemm_depth<T> + ((depth / gemm_chunk<T> ^ (line / 2 & 3)) * gemm_chunk<T>)+depth % gemm_chunk<T>;
  }
};

// Depth after depth, chunk j at place j ^ (depth % 8): ldmatrix reads chunk j of eight depths.
template <class T, int lines>
struct LineMajorTile {
  static constexpr Major major = Major::line;
  static constexpr int size = lines * gemm_depth<T>;
  __device__ static int offset(int line, int depth) {
    return depth * lines + (line / gemm_chunk<T> ^ (depth & 7)) * gemm_chunk<T> + line % gemm_chunk<T>;
  }
};

// Depth after depth of floats with a gap between them, which leaves a reader's addresses constant but for its first. Four
// floats where four neighbouring lines of one depth are read (stores along the depth then meet in pairs only); eight where
// single floats are, of four depths and eight lines.
template <int lines, int gap>
struct PaddedTile {
  static constexpr Major major = Major::line;
  static constexpr int stride = lines + gap, size = stride * gemm_depth<float>;
  __device__ static int offset(int line, int depth) { return depth * stride + line; }
};

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
