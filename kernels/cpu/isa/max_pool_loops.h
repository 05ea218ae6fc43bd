// Inner loops of max pooling: a vector of channels at a time, all cells of a window in registers. The comparisons go either
// way at random, so every choice is a blend and never a branch (27 ns an output with branches, below 1 ns without).
//
// A cell replaces the best so far when it is not ≤ it and the best is not NaN: the first maximum wins, and the first NaN.
#pragma once

#include "kernels/cpu/isa/simd.h"

namespace tessera::kernels::cpu::isa {
namespace {

using NumberVec = Types<vector_width>::Int;
typedef std::uint8_t ByteVec __attribute__((vector_size(vector_width)));

#if defined(__AVX512F__)
TESSERA_INLINE __mmask16 first_bytes(Index count) { return static_cast<__mmask16>((1u << count) - 1u); }
#endif

// The first `count` ≤ vector_width window-cell numbers at p.
TESSERA_INLINE NumberVec load_numbers(const std::uint8_t* p, Index count) {
  ByteVec bytes{};
  if (count == vector_width) {
    __builtin_memcpy(&bytes, p, vector_width);
  } else {
#if defined(__AVX512F__)
    bytes = reinterpret_cast<ByteVec>(_mm_maskz_loadu_epi8(first_bytes(count), p));
#else
    for (Index i = 0; i < count; ++i) bytes[i] = p[i];
#endif
  }
  return __builtin_convertvector(bytes, NumberVec);
}
TESSERA_INLINE void store_numbers(std::uint8_t* p, NumberVec numbers, Index count) {
  const ByteVec bytes = __builtin_convertvector(numbers, ByteVec);
  if (count == vector_width) {
    __builtin_memcpy(p, &bytes, vector_width);
  } else {
#if defined(__AVX512F__)
    _mm_mask_storeu_epi8(p, first_bytes(count), reinterpret_cast<__m128i>(bytes));
#else
    for (Index i = 0; i < count; ++i) p[i] = bytes[i];
#endif
  }
}
TESSERA_INLINE Vec load_up_to(const float* p, Index count) {
  return count == vector_width ? load(p) : load_partial(p, count);
}
TESSERA_INLINE void store_up_to(float* p, Vec v, Index count) {
  if (count == vector_width)
    store(p, v);
  else
    store_partial(p, v, count);
}

void max_pool(const WindowRow& row, const float* x, float* y, std::uint8_t* index) {
  for (Index q = 0; q < row.windows; ++q) {
    for (Index c = 0; c < row.channels; c += vector_width) {
      const Index here = smaller(vector_width, row.channels - c), at = q * row.channels + c;
      const float* window = x + q * row.window_step + c;
      Vec best = load_up_to(window, here);
      NumberVec number = NumberVec{} + row.first_number;
      for (int r = 0; r < row.rows; ++r) {
        for (int s = r == 0 ? 1 : 0; s < row.columns; ++s) {
          const Vec cell = load_up_to(window + r * row.row_step + s * row.channels, here);
          const NumberVec take = ~(cell <= best) & (best == best);
          best = take ? cell : best;
          number = take ? NumberVec{} + (row.first_number + r * row.number_step + s) : number;
        }
      }
      store_up_to(y + at, best, here);
      if (index) store_numbers(index + at, number, here);
    }
  }
}

void max_pool_gradient(const WindowRow& row, const float* dy, const std::uint8_t* index, float* dx, bool assign) {
  for (Index q = 0; q < row.windows; ++q) {
    for (Index c = 0; c < row.channels; c += vector_width) {
      const Index here = smaller(vector_width, row.channels - c), at = q * row.channels + c;
      const Vec gradient = load_up_to(dy + at, here);
      const NumberVec winner = load_numbers(index + at, here);
      for (int r = 0; r < row.rows; ++r) {
        for (int s = 0; s < row.columns; ++s) {
          float* to = dx + q * row.window_step + r * row.row_step + s * row.channels + c;
          const Vec share = winner == row.first_number + r * row.number_step + s ? gradient : Vec{};
          store_up_to(to, assign ? share : load_up_to(to, here) + share, here);
        }
      }
    }
  }
}

}  // namespace
}  // namespace tessera::kernels::cpu::isa
