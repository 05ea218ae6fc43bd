// The three arithmetics of a matrix product. Each says what its operands are made of, how a step lies in shared memory, which
// tiles it has, and has the sums of one thread: add() multiplies a step, stage() writes the sums to shared memory.
//   Fma       float32, one multiply-add at a time: each thread 8 × 8 sums (small tiles: 8 × 4), fed by 16 floats for 64
//             operations; a warp 32 × 64
//   Tf32Mma   float32 rounded to TF32, mma m16n8k8
//   Bf16Mma   bf16, mma m16n8k16: a warp 64 × 64 (smaller where the result has few rows or columns)
// step_time: of a step, in units of a bf16 one (estimated). Shared memory gives 128 bytes a clock. A warp's 64 × 64 × 16 of
// bf16 read 4 KiB of it, and a warp's part of the copies (of 128 × 128) writes 2 KiB: 48 clocks, while the tensor cores of an
// A100 take 64, those of an H100 about 50. Two warps of 32 × 64 would read 6 KiB for the same: 64 clocks.
// All add up in float32, in order of the depth (inside an mma: as the hardware does).
//
// The two mma arithmetics have the same geometry in bytes: 32 bytes of depth of 16 lines are four 8×8 matrices (of pairs of
// bytes) that one ldmatrix brings:
//   A   r[0] lines 0–7, first 16 bytes   r[1] lines 8–15, first 16   r[2] lines 0–7, last 16    r[3] lines 8–15, last 16
//   B   r[0] lines 0–7, first 16 bytes   r[1] lines 0–7, last 16     r[2] lines 8–15, first 16  r[3] lines 8–15, last 16
// A's fragment as it stands, and B's of two times 8 columns, each in neighbouring registers, which mma asks for.
// Where neighbours along the lines are neighbours in memory, ldmatrix transposes bf16 on the way; floats it cannot, they are
// read one by one.
#pragma once

#include "kernels/bf16.h"
#include "kernels/cuda/gemm_tile.h"
#include "kernels/cuda/tensor_core.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

struct Fma {
  using Element = float;
  template <Major major, int lines>
  using Layout = PaddedTile<lines, 4>;
  static constexpr int stages = 3, step_time = 6;
  using Square = GemmTile<128, 128, 32, 64>;
  using Narrow = GemmTile<128, 64, 32, 64>;  // few columns
  using Low = GemmTile<64, 128, 32, 64>;     // few rows
  using Small = GemmTile<64, 64, 32, 32>;    // matrices
  using Single = GemmTile<128, 64, 32, 64>;  // windows that are copied element by element
  using Slender = GemmTile<64, 32, 32, 32>;  // their gradients

  // Lane l of a warp: rows 4·(l/8) + {0…3, 16…19}, columns 4·(l%8) + {0…3, 32…35}.
  template <class Tile, class A, class B>
  class Sums {
   public:
    __device__ void add(const float* a, const float* b) {
      const int row = Tile::row() + lane_row(), column = Tile::column() + lane_column();
#pragma unroll
      for (int d = 0; d < gemm_depth<float>; ++d) {
        float x[2][4], y[quads][4];
#pragma unroll
        for (int i = 0; i < 2; ++i) read(x[i], a + A::offset(row + 16 * i, d));
#pragma unroll
        for (int j = 0; j < quads; ++j) read(y[j], b + B::offset(column + 32 * j, d));
#pragma unroll
        for (int i = 0; i < 8; ++i)
#pragma unroll
          for (int j = 0; j < 4 * quads; ++j) sum_[i][j] += x[i / 4][i % 4] * y[j / 4][j % 4];
      }
    }

    // Writes the sums where the warp's part of the tile begins, rows `stride` floats apart.
    __device__ void stage(float* to, int stride) const {
      float* const own = to + lane_row() * stride + lane_column();
#pragma unroll
      for (int i = 0; i < 8; ++i)
#pragma unroll
        for (int j = 0; j < quads; ++j)
          *reinterpret_cast<float4*>(own + (i / 4 * 16 + i % 4) * stride + 32 * j) =
              make_float4(sum_[i][4 * j], sum_[i][4 * j + 1], sum_[i][4 * j + 2], sum_[i][4 * j + 3]);
    }

   private:
    static constexpr int quads = Tile::warp_columns / 32;
    __device__ static int lane_row() { return static_cast<int>(threadIdx.x) % 32 / 8 * 4; }
    __device__ static int lane_column() { return static_cast<int>(threadIdx.x) % 8 * 4; }
    __device__ static void read(float (&to)[4], const float* from) {
      const float4 v = *reinterpret_cast<const float4*>(from);
      to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
    }

    float sum_[8][4 * quads] = {};
  };
};

// The tiles of tensor cores.
struct MmaTiles {
  using Wide = GemmTile<256, 128, 64, 64>;
  using Square = GemmTile<128, 128, 64, 64>;
  using Narrow = GemmTile<256, 64, 64, 64>;
  using Low = GemmTile<64, 192, 64, 48>;
  using Small = GemmTile<64, 64, 32, 32>;
  using Single = GemmTile<128, 64, 32, 32>;
  using Slender = GemmTile<64, 32, 32, 16>;
};

// Reads an operand's fragments: `count` of 16 lines each, the first of which are `line` … The arithmetic says how. Where a
// lane reads is worked out once: at most one address each for both halves of a step's depth, or one for each fragment.
template <class Arithmetic, class Layout, bool columns, int count>
class MmaOperand {
 public:
  using T = typename Arithmetic::Element;
  __device__ explicit MmaOperand(int line) {
#pragma unroll
    for (int i = 0; i < places; ++i)
      own_[i] = pinned(static_cast<int>(sizeof(T)) *
                       Arithmetic::template place<Layout, columns>(line + (by_line ? 16 * i : 0), by_line ? 0 : half * i));
  }
  __device__ void load(unsigned (&r)[4], const T* tile, int fragment, int depth_half) const {
    const T* const from = bytes_behind(tile, own_[by_line ? fragment : depth_half]);
    Arithmetic::template load<Layout, columns>(
        r, from + (by_line ? depth_half * Layout::template apart<0, half> : fragment * Layout::template apart<16, 0>));
  }

 private:
  static constexpr int half = gemm_depth<T> / 2;
  static constexpr bool by_line = Layout::major == Major::line && Layout::template apart<16, 0> < 0;
  static constexpr int places = by_line ? count : 2;
  int own_[places];
};

template <class Arithmetic, class Tile, class A, class B>
class MmaSums {
 public:
  using T = typename Arithmetic::Element;
  __device__ void add(const T* a, const T* b) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      unsigned x[down][4];
#pragma unroll
      for (int i = 0; i < down; ++i) a_.load(x[i], a, i, half);
#pragma unroll
      for (int j = 0; j < across; j += 2) {
        unsigned y[4];
        b_.load(y, b, j / 2, half);
#pragma unroll
        for (int i = 0; i < down; ++i) {
          Arithmetic::multiply_add(sum_[i][j], x[i], {y[0], y[1]});
          Arithmetic::multiply_add(sum_[i][j + 1], x[i], {y[2], y[3]});
        }
      }
    }
  }

  __device__ void stage(float* to, int stride) const {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    float* const own = to + lane / 4 * stride + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < down; ++i)
#pragma unroll
      for (int j = 0; j < across; ++j) {
        float* const pair = own + 16 * i * stride + 8 * j;
        *reinterpret_cast<float2*>(pair) = make_float2(sum_[i][j][0], sum_[i][j][1]);
        *reinterpret_cast<float2*>(pair + 8 * stride) = make_float2(sum_[i][j][2], sum_[i][j][3]);
      }
  }

 private:
  static constexpr int down = Tile::warp_rows / 16, across = Tile::warp_columns / 8;
  MmaOperand<Arithmetic, A, false, down> a_{Tile::row()};
  MmaOperand<Arithmetic, B, true, across / 2> b_{Tile::column()};
  float sum_[down][across][4] = {};
};

struct Bf16Mma : MmaTiles {
  using Element = bf16;
  template <Major major, int lines>
  using Layout = std::conditional_t<major == Major::depth, DepthMajorTile<bf16, lines>, LineMajorTile<bf16, lines>>;
  template <class Tile, class A, class B>
  using Sums = MmaSums<Bf16Mma, Tile, A, B>;
  static constexpr int stages = 4, step_time = 1;

  // Which row of 16 bytes this lane names.
  template <class Layout, bool columns>
  __device__ static int place(int line, int depth) {
    const int lane = static_cast<int>(threadIdx.x) % 32, row = lane % 8;
    const int second = columns ? lane / 16 : lane / 8 % 2, last = columns ? lane / 8 % 2 : lane / 16;
    return Layout::major == Major::depth ? Layout::offset(line + second * 8 + row, depth + last * 8)
                                         : Layout::offset(line + second * 8, depth + last * 8 + row);
  }
  template <class Layout, bool>
  __device__ static void load(unsigned (&r)[4], const bf16* from) {
    if constexpr (Layout::major == Major::depth)
      ldmatrix_x4(r, from);
    else
      ldmatrix_x4_trans(r, from);
  }
  __device__ static void multiply_add(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    mma_m16n8k16_bf16(d, a, b);
  }
};

struct Tf32Mma : MmaTiles {
  using Element = float;
  template <Major major, int lines>
  using Layout = std::conditional_t<major == Major::depth, DepthMajorTile<float, lines>, PaddedTile<lines, 8>>;
  template <class Tile, class A, class B>
  using Sums = MmaSums<Tf32Mma, Tile, A, B>;
  static constexpr int stages = 4, step_time = 1;

  template <class Layout, bool columns>
  __device__ static int place(int line, int depth) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    if constexpr (Layout::major == Major::line) return Layout::offset(line + lane / 4, depth + lane % 4);
    const int second = columns ? lane / 16 : lane / 8 % 2, last = columns ? lane / 8 % 2 : lane / 16;
    return Layout::offset(line + second * 8 + lane % 8, depth + last * 4);
  }
  template <class Layout, bool columns>
  __device__ static void load(unsigned (&r)[4], const float* from) {
    if constexpr (Layout::major == Major::depth) {
      ldmatrix_x4(r, from);
#pragma unroll
      for (unsigned& x : r) x = to_tf32(__uint_as_float(x));
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int second = columns ? i / 2 : i % 2, last = columns ? i % 2 : i / 2;
        r[i] = to_tf32(from[second * Layout::template apart<8, 0> + last * Layout::template apart<0, 4>]);
      }
    }
  }
  __device__ static void multiply_add(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    mma_m16n8k8_tf32(d, a, b);
  }
};

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
