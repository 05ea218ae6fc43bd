// Tensor cores: the warp-wide matrix instructions of sm_80 and later, and the loads that bring their operands.
//
// All 32 lanes call each function together. A 16×K matrix A, a K×8 matrix B and a 16×8 matrix D are spread over the lanes'
// registers as *fragments* (PTX ISA, "Matrix Fragments for mma.m16n8k16" and "… mma.m16n8k8"). With g = lane / 4 and
// t = lane % 4, a lane holds
//
//            bf16, K = 16: two elements a register, low half first     tf32, K = 8: one element a register
//   A  a[0]  row g,      columns 2t, 2t+1                              row g,      column t
//      a[1]  row g + 8,  columns 2t, 2t+1                              row g + 8,  column t
//      a[2]  row g,      columns 2t+8, 2t+9                            row g,      column t + 4
//      a[3]  row g + 8,  columns 2t+8, 2t+9                            row g + 8,  column t + 4
//   B  b[0]  rows 2t, 2t+1,    column g                                row t,      column g
//      b[1]  rows 2t+8, 2t+9,  column g                                row t + 4,  column g
//   D  d[0], d[1]  row g,      columns 2t, 2t+1                        the same
//      d[2], d[3]  row g + 8,  columns 2t, 2t+1                        the same
//
// Products are exact in float32 (8 + 8 and 11 + 11 bits of mantissa). How a GPU rounds their sum is not documented: kernels
// allow a few units in the last place of float32 per step. The emulator sums the products in order of k, then adds d.
#pragma once

#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/cuda/gpu.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

#if !defined(__CUDACC__)
namespace detail {

struct LdmatrixSlot {
  unsigned* r;
  const std::uint16_t* row;
};

inline void ldmatrix(LdmatrixSlot slot, bool transposed, const char* what, Location at) {
  require_shared(slot.row, 16, at);
  warp_collective(~0u, slot, what, at, [transposed](LdmatrixSlot** slots, unsigned lanes) {
    if (lanes != ~0u) fault("ldmatrix needs a whole warp");
    for (int lane = 0; lane < 32; ++lane) {
      const int g = lane / 4, t = lane % 4;
      for (int matrix = 0; matrix < 4; ++matrix) {
        LdmatrixSlot** const rows = slots + matrix * 8;
        const unsigned low = transposed ? rows[2 * t]->row[g] : rows[g]->row[2 * t];
        const unsigned high = transposed ? rows[2 * t + 1]->row[g] : rows[g]->row[2 * t + 1];
        slots[lane]->r[matrix] = low | high << 16;
      }
    }
  });
}

struct MmaSlot {
  float* d;
  const unsigned *a, *b;
};

// The whole matrices, gathered from the lanes' fragments.
template <int K>
struct MmaOperands {
  float a[16][K], b[K][8];
};

template <int K>
void multiply_add(MmaSlot** slots, const MmaOperands<K>& m) {
  float sum[16][8] = {};
  for (int row = 0; row < 16; ++row)
    for (int k = 0; k < K; ++k)
      for (int column = 0; column < 8; ++column) sum[row][column] += m.a[row][k] * m.b[k][column];
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i) slots[lane]->d[i] += sum[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
}

}  // namespace detail
#endif

// Four 8×8 matrices of 16-bit elements from shared memory: lane l names row l % 8 of matrix l / 8, 16 bytes aligned to 16.
// Of matrix i, the lane receives in r[i] row g, columns 2t and 2t + 1.
__device__ __forceinline__ void ldmatrix_x4(unsigned (&r)[4], const void* shared_row,
                                            [[maybe_unused]] Location at = Location::here()) {
#if defined(__CUDACC__)
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(static_cast<unsigned>(__cvta_generic_to_shared(shared_row)))
               : "memory");
#else
  detail::ldmatrix({r, static_cast<const std::uint16_t*>(shared_row)}, false, "ldmatrix_x4", at);
#endif
}

// The same with each matrix transposed: in r[i], rows 2t and 2t + 1 of column g.
__device__ __forceinline__ void ldmatrix_x4_trans(unsigned (&r)[4], const void* shared_row,
                                                  [[maybe_unused]] Location at = Location::here()) {
#if defined(__CUDACC__)
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(static_cast<unsigned>(__cvta_generic_to_shared(shared_row)))
               : "memory");
#else
  detail::ldmatrix({r, static_cast<const std::uint16_t*>(shared_row)}, true, "ldmatrix_x4_trans", at);
#endif
}

// d += a·b, A 16×16 and B 16×8 of bf16.
__device__ __forceinline__ void mma_m16n8k16_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                                                  [[maybe_unused]] Location at = Location::here()) {
#if defined(__CUDACC__)
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  detail::MmaSlot slot{d, a, b};
  warp_collective(~0u, slot, "mma_m16n8k16_bf16", at, [](detail::MmaSlot** slots, unsigned lanes) {
    if (lanes != ~0u) fault("mma needs a whole warp");
    const auto low = [](unsigned pair) { return to_float(bf16{static_cast<std::uint16_t>(pair)}); };
    const auto high = [](unsigned pair) { return to_float(bf16{static_cast<std::uint16_t>(pair >> 16)}); };
    detail::MmaOperands<16> m;
    for (int lane = 0; lane < 32; ++lane) {
      const int g = lane / 4, t = lane % 4;
      for (int i = 0; i < 4; ++i) {
        m.a[g + i % 2 * 8][2 * t + i / 2 * 8] = low(slots[lane]->a[i]);
        m.a[g + i % 2 * 8][2 * t + i / 2 * 8 + 1] = high(slots[lane]->a[i]);
      }
      for (int i = 0; i < 2; ++i) {
        m.b[2 * t + i * 8][g] = low(slots[lane]->b[i]);
        m.b[2 * t + i * 8 + 1][g] = high(slots[lane]->b[i]);
      }
    }
    detail::multiply_add(slots, m);
  });
#endif
}

// The bits of x as tf32: its 8 exponent bits with 10 bits of mantissa, to nearest, ties away from zero (cvt.rna.tf32).
__device__ __forceinline__ unsigned to_tf32(float x) {
#if defined(__CUDACC__)
  unsigned bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
#else
  const unsigned bits = __float_as_uint(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fffffffu;  // NaN
  return (bits + 0x1000u) & ~0x1fffu;
#endif
}

// d += a·b, A 16×8 and B 8×8 of tf32. The low 13 bits of every operand are ignored: pass what to_tf32 gives.
__device__ __forceinline__ void mma_m16n8k8_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                                                 [[maybe_unused]] Location at = Location::here()) {
#if defined(__CUDACC__)
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  detail::MmaSlot slot{d, a, b};
  warp_collective(~0u, slot, "mma_m16n8k8_tf32", at, [](detail::MmaSlot** slots, unsigned lanes) {
    if (lanes != ~0u) fault("mma needs a whole warp");
    const auto value = [](unsigned bits) { return __uint_as_float(bits & ~0x1fffu); };
    detail::MmaOperands<8> m;
    for (int lane = 0; lane < 32; ++lane) {
      const int g = lane / 4, t = lane % 4;
      for (int i = 0; i < 4; ++i) m.a[g + i % 2 * 8][t + i / 2 * 4] = value(slots[lane]->a[i]);
      for (int i = 0; i < 2; ++i) m.b[t + i * 4][g] = value(slots[lane]->b[i]);
    }
    detail::multiply_add(slots, m);
  });
#endif
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
