// Weights into panels of two vectors of output channels; missing channels are zeros. Bound by memory: each float is read
// and written once, in `pack` by whole vectors, in `pack_transposed` through squares of one vector by one vector.
#pragma once

#include "kernels/cpu/isa/kernels.h"
#include "kernels/cpu/isa/vec.h"

namespace tessera::kernels::cpu::isa {
namespace {

template <class E>
void pack(const E* source, std::int64_t step, std::int64_t length, std::int64_t channels, float* panel) {
  for (int v = 0; v < 2; ++v, source += vector_width, channels -= vector_width) {
    float* to = panel + v * vector_width;
    if (channels >= vector_width)
      for (std::int64_t l = 0; l < length; ++l) store(to + l * 2 * vector_width, load(source + l * step));
    else if (channels > 0)
      for (std::int64_t l = 0; l < length; ++l) store(to + l * 2 * vector_width, load_partial(source + l * step, channels));
    else
      for (std::int64_t l = 0; l < length; ++l) store(to + l * 2 * vector_width, Vec{});
  }
}

// Rows i and i + distance of a square exchange their off-diagonal blocks of `distance` columns; done for distances
// width/2, …, 2, 1 this transposes the square.
template <int distance>
TESSERA_INLINE void exchange(Vec (&square)[vector_width]) {
  Types<vector_width>::Int low{}, high{};
  for (int j = 0; j < vector_width; ++j) {
    low[j] = (j & distance) ? vector_width + j - distance : j;
    high[j] = (j & distance) ? vector_width + j : j + distance;
  }
#pragma GCC unroll 16
  for (int i = 0; i < vector_width; ++i) {
    if (i & distance) continue;
    const Vec a = square[i], b = square[i + distance];
#if defined(__clang__)
    Vec x, y;
    for (int j = 0; j < vector_width; ++j) {
      x[j] = (j & distance) ? b[j - distance] : a[j];
      y[j] = (j & distance) ? b[j] : a[j + distance];
    }
    square[i] = x, square[i + distance] = y;
#else
    square[i] = __builtin_shuffle(a, b, low);
    square[i + distance] = __builtin_shuffle(a, b, high);
#endif
  }
}

TESSERA_INLINE void transpose(Vec (&square)[vector_width]) {
  if constexpr (vector_width > 8) exchange<8>(square);
  if constexpr (vector_width > 4) exchange<4>(square);
  exchange<2>(square);
  exchange<1>(square);
}

template <class E>
void pack_transposed(const E* source, std::int64_t step, std::int64_t length, std::int64_t channels, float* panel) {
  for (int v = 0; v < 2; ++v, source += vector_width * step, channels -= vector_width) {
    float* to = panel + v * vector_width;
    for (std::int64_t l = 0; l < length; l += vector_width) {
      const std::int64_t here = length - l;
      Vec square[vector_width];
#pragma GCC unroll 16
      for (int j = 0; j < vector_width; ++j)
        square[j] = j >= channels          ? Vec{}
                    : here >= vector_width ? load(source + j * step + l)
                                           : load_partial(source + j * step + l, here);
      transpose(square);
#pragma GCC unroll 16
      for (int i = 0; i < vector_width; ++i)
        if (i < here) store(to + (l + i) * 2 * vector_width, square[i]);
    }
  }
}

}  // namespace
}  // namespace tessera::kernels::cpu::isa
