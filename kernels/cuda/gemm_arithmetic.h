// The three arithmetics of a matrix product. Each says what its operands are made of, how a step lies in shared memory, and
// has the sums of one thread: add() multiplies a step, stage() writes the sums to shared memory.
//   Fma       float32, one multiply-add at a time: each thread 8 × 8 sums (small tiles: 8 × 4), fed by 16 floats for 64
//             operations; a warp 32 × 64
//   Tf32Mma   float32 rounded to TF32, mma m16n8k8
//   Bf16Mma   bf16, mma m16n8k16: a warp 64 × 64 (small tiles: 64 × 32, 32 × 32)
// Shared memory gives 128 bytes a clock. A warp's 64 × 64 × 16 of bf16 need 4 KiB of it, 32 clocks, while the tensor cores
// of an A100 take 64, those of an H100 about 50: with 32 × 64 it would be 48 and 50, and the copies have to go there too.
// All add up in float32, in order of the depth (inside an mma: as the hardware does).
//
// The two mma arithmetics have the same geometry in bytes: 32 bytes of depth of 16 lines are four 8×8 matrices (of pairs of
// bytes) that one ldmatrix brings, the same for A and for B:
//   r[0] lines 0–7, first 16 bytes   r[1] lines 8–15, first 16   r[2] lines 0–7, last 16   r[3] lines 8–15, last 16
// which is A's fragment as it stands, and B's fragments of two neighbouring columns of 8: {r[0], r[2]} and {r[1], r[3]}.
// Where neighbours along the lines are neighbours in memory, ldmatrix transposes bf16 on the way; floats it cannot, they are
// read one by one.
#pragma once

#include "kernels/bf16.h"
#include "kernels/cuda/gemm_tile.h"
#include "kernels/cuda/tensor_core.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

// Sums are staged in shared memory piece by piece of the tile, 128 (or all) rows × 64 columns. Rows lie 8 floats further
// apart, so that eight rows of an mma's sums touch different banks.
inline constexpr int stage_rows = 128, stage_columns = 64, stage_stride = stage_columns + 8;

// Does this warp's part of the tile belong to the piece?
template <class Own>
__device__ bool staged_now(int first_row, int first_column) {
  static_assert(stage_rows % Own::rows == 0 && stage_columns % Own::columns == 0);
  return static_cast<unsigned>(Own::row() - first_row) < static_cast<unsigned>(stage_rows) &&
         static_cast<unsigned>(Own::column() - first_column) < static_cast<unsigned>(stage_columns);
}

struct Fma {
  using Element = float;
  template <Major major, int lines>
  using Layout = PaddedTile<lines, 4>;
  template <class Tile>
  using Warps = GemmWarps<Tile, 32, Tile::elements >= 128 * 64 ? 64 : 32>;
  static constexpr int stages = 3, narrow_rows = 128;

  // Lane l of a warp: rows 4·(l/8) + {0…3, 16…19}, columns 4·(l%8) + {0…3, 32…35}.
  template <class Tile>
  class Sums {
   public:
    template <class A, class B>
    __device__ void add(const float* a, const float* b) {
      const int row = Own::row() + lane_row(), column = Own::column() + lane_column();
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

    // Writes those of the block's sums to `staged` that belong to its piece of the tile.
    __device__ void stage(float* staged, int first_row, int first_column) const {
      if (!staged_now<Own>(first_row, first_column)) return;
      float* const own =
          staged + (Own::row() - first_row + lane_row()) * stage_stride + Own::column() - first_column + lane_column();
#pragma unroll
      for (int i = 0; i < 8; ++i)
#pragma unroll
        for (int j = 0; j < quads; ++j)
          *reinterpret_cast<float4*>(own + (i / 4 * 16 + i % 4) * stage_stride + 32 * j) =
              make_float4(sum_[i][4 * j], sum_[i][4 * j + 1], sum_[i][4 * j + 2], sum_[i][4 * j + 3]);
    }

   private:
    using Own = Warps<Tile>;
    static constexpr int quads = Own::columns / 32;
    __device__ static int lane_row() { return static_cast<int>(threadIdx.x) % 32 / 8 * 4; }
    __device__ static int lane_column() { return static_cast<int>(threadIdx.x) % 8 * 4; }
    __device__ static void read(float (&to)[4], const float* from) {
      const float4 v = *reinterpret_cast<const float4*>(from);
      to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
    }

    float sum_[8][4 * quads] = {};
  };
};

template <class Tile>
using MmaWarps = GemmWarps<Tile, Tile::elements >= 128 * 64 ? 64 : 32, Tile::elements >= 128 * 128 ? 64 : 32>;

// Arithmetic says how fragments are loaded and multiplied.
template <class Arithmetic, class Tile>
class MmaSums {
 public:
  template <class A, class B>
  __device__ void add(const typename Arithmetic::Element* a, const typename Arithmetic::Element* b) {
    constexpr int depth = gemm_depth<typename Arithmetic::Element>;
#pragma unroll
    for (int d = 0; d < depth; d += depth / 2) {
      unsigned x[down][4];
#pragma unroll
      for (int i = 0; i < down; ++i) Arithmetic::template load<A>(x[i], a, Own::row() + 16 * i, d);
#pragma unroll
      for (int j = 0; j < across; j += 2) {
        unsigned y[4];
        Arithmetic::template load<B>(y, b, Own::column() + 8 * j, d);
#pragma unroll
        for (int i = 0; i < down; ++i) {
          Arithmetic::multiply_add(sum_[i][j], x[i], {y[0], y[2]});
          Arithmetic::multiply_add(sum_[i][j + 1], x[i], {y[1], y[3]});
        }
      }
    }
  }

  __device__ void stage(float* staged, int first_row, int first_column) const {
    if (!staged_now<Own>(first_row, first_column)) return;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    float* const own =
        staged + (Own::row() - first_row + lane / 4) * stage_stride + Own::column() - first_column + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < down; ++i)
#pragma unroll
      for (int j = 0; j < across; ++j) {
        float* const to = own + 16 * i * stage_stride + 8 * j;
        *reinterpret_cast<float2*>(to) = make_float2(sum_[i][j][0], sum_[i][j][1]);
        *reinterpret_cast<float2*>(to + 8 * stage_stride) = make_float2(sum_[i][j][2], sum_[i][j][3]);
      }
  }

 private:
  using Own = MmaWarps<Tile>;
  static constexpr int down = Own::rows / 16, across = Own::columns / 8;
  float sum_[down][across][4] = {};
};

struct Bf16Mma {
  using Element = bf16;
  template <Major major, int lines>
  using Layout = std::conditional_t<major == Major::depth, DepthMajorTile<bf16, lines>, LineMajorTile<bf16, lines>>;
  template <class Tile>
  using Warps = MmaWarps<Tile>;
  template <class Tile>
  using Sums = MmaSums<Bf16Mma, Tile>;
  static constexpr int stages = 4, narrow_rows = 256;

  template <class Layout>
  __device__ static void load(unsigned (&r)[4], const bf16* tile, int line, int depth) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    if constexpr (Layout::major == Major::depth)
      ldmatrix_x4(r, tile + line * gemm_depth<bf16> + Layout::offset(lane % 16, depth + lane / 16 * 8));
    else
      ldmatrix_x4_trans(r, tile + Layout::offset(line + lane / 8 % 2 * 8, depth + lane % 8 + lane / 16 * 8));
  }
  __device__ static void multiply_add(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    mma_m16n8k16_bf16(d, a, b);
  }
};

struct Tf32Mma {
  using Element = float;
  template <Major major, int lines>
  using Layout = std::conditional_t<major == Major::depth, DepthMajorTile<float, lines>, PaddedTile<lines, 8>>;
  template <class Tile>
  using Warps = MmaWarps<Tile>;
  template <class Tile>
  using Sums = MmaSums<Tf32Mma, Tile>;
  static constexpr int stages = 4, narrow_rows = 256;

  template <class Layout>
  __device__ static void load(unsigned (&r)[4], const float* tile, int line, int depth) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    if constexpr (Layout::major == Major::depth) {
      ldmatrix_x4(r, tile + line * gemm_depth<float> + Layout::offset(lane % 16, depth + lane / 16 * 4));
#pragma unroll
      for (unsigned& x : r) x = to_tf32(__uint_as_float(x));
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i)
        r[i] = to_tf32(tile[Layout::offset(line + lane / 4 + i % 2 * 8, depth + lane % 4 + i / 2 * 4)]);
    }
  }
  __device__ static void multiply_add(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    mma_m16n8k8_tf32(d, a, b);
  }
};

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
