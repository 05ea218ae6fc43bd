// Products of eight-bit numbers: output points × a panel of output channels, as rows.h does it in floats.
//
// A step takes four numbers of the reduction: V vectors of the panel, four weights a lane, meet the four numbers of each
// point. Products per instruction that multiplies, in vectors of 8 (16) floats:
//   VNNI      64       vpdpbusd: four products into a lane
//   AVX2/512  21 (43)  vpmaddubsw: pairs of products, in 16 bits; the pairs of two steps are added there, and one vpmaddwd
//                      adds them up in 32 bits
//   baseline  the products one by one, in lanes of 32 bits
// Bound by arithmetic where there are points enough, else by reading the panels, a quarter of what floats take.
#pragma once

#include "kernels/cpu/isa/rows.h"

namespace tessera::kernels::cpu::isa {
namespace {

typedef typename Types<vector_width>::Int IntVec;

// How many steps are taken together, and lane += Σ a·b over their bytes; a: 0 … 127, b: −63 … 63.
#if defined(__AVX512VNNI__)
constexpr int steps = 1;
TESSERA_INLINE IntVec dot(IntVec sum, IntVec a, IntVec b) {
  return reinterpret_cast<IntVec>(
      _mm512_dpbusd_epi32(reinterpret_cast<__m512i>(sum), reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
}
#elif defined(__AVX2__)
constexpr int steps = 2;
#if defined(__AVX512BW__)
TESSERA_INLINE __m512i pairs(IntVec a, IntVec b) {
  return _mm512_maddubs_epi16(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b));
}
TESSERA_INLINE __m512i both(__m512i a, __m512i b) { return _mm512_add_epi16(a, b); }
TESSERA_INLINE IntVec joined(__m512i a) { return reinterpret_cast<IntVec>(_mm512_madd_epi16(a, _mm512_set1_epi16(1))); }
#else
TESSERA_INLINE __m256i pairs(IntVec a, IntVec b) {
  return _mm256_maddubs_epi16(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b));
}
TESSERA_INLINE __m256i both(__m256i a, __m256i b) { return _mm256_add_epi16(a, b); }
TESSERA_INLINE IntVec joined(__m256i a) { return reinterpret_cast<IntVec>(_mm256_madd_epi16(a, _mm256_set1_epi16(1))); }
#endif
TESSERA_INLINE IntVec dot(IntVec sum, IntVec a, IntVec b) { return sum + joined(pairs(a, b)); }
TESSERA_INLINE IntVec dot(IntVec sum, IntVec a, IntVec b, IntVec c, IntVec d) {
  return sum + joined(both(pairs(a, b), pairs(c, d)));
}
#else
constexpr int steps = 1;
TESSERA_INLINE IntVec dot(IntVec sum, IntVec a, IntVec b) {
  for (int i = 0; i < 4; ++i) sum += (a >> 8 * i & 0xff) * (b << (24 - 8 * i) >> 24);
  return sum;
}
#endif

constexpr int lane_bytes = 4 * vector_width;  // of a vector of the panel

TESSERA_INLINE IntVec four_of(const std::uint8_t* p) {
  std::int32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  return IntVec{} + four;
}
template <int V>
TESSERA_INLINE void load_weights(IntVec (&to)[V], const std::int8_t* w) {
#pragma GCC unroll 2
  for (int v = 0; v < V; ++v) __builtin_memcpy(&to[v], w + v * lane_bytes, sizeof to[v]);
}

struct Int8Tile {
  template <int V, class T>
  static constexpr int most = max_points<V, T>;

  template <int R, int V, class T>
  static __attribute__((noinline)) void run(const RowsInt8& job, const std::int8_t* panel, std::int64_t channel,
                                            const std::uint8_t* const* in, float* const* out) {
    IntVec sums[R][V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      IntVec start;
      __builtin_memcpy(&start, job.start + channel + v * vector_width, sizeof start);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) sums[r][v] = start;
    }
    const std::int8_t* w = panel;
    for (std::int64_t tap = 0; tap < job.taps; ++tap) {
      const std::uint8_t* point[R];
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) point[r] = in[r] + tap * job.tap_step;
      std::int64_t l = 0;
      if constexpr (steps == 2)
        for (; l + 8 <= job.length; l += 8, w += 4 * lane_bytes) {
          for (int line = 0; line < 4 * lane_bytes; line += 64) __builtin_prefetch(w + 4 * fetch_ahead + line);
          IntVec b[V], d[V];
          load_weights(b, w), load_weights(d, w + 2 * lane_bytes);
#pragma GCC unroll 16
          for (int r = 0; r < R; ++r) {
            const IntVec a = four_of(point[r] + l), c = four_of(point[r] + l + 4);
#pragma GCC unroll 2
            for (int v = 0; v < V; ++v) sums[r][v] = dot(sums[r][v], a, b[v], c, d[v]);
          }
        }
      for (; l < job.length; l += 4, w += 2 * lane_bytes) {
        for (int line = 0; line < 2 * lane_bytes; line += 64) __builtin_prefetch(w + 4 * fetch_ahead + line);
        IntVec b[V];
        load_weights(b, w);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
          const IntVec a = four_of(point[r] + l);
#pragma GCC unroll 2
          for (int v = 0; v < V; ++v) sums[r][v] = dot(sums[r][v], a, b[v]);
        }
      }
    }
    T floats[R][V];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) floats[r][v] = __builtin_convertvector(sums[r][v], T);
    rows_epilogue<R, V, T>(job, channel, floats, out);
  }
};

void rows_int8(const RowsInt8& job) {
  const std::int8_t* panel = job.panels;
  for (std::int64_t channel = 0; channel < job.channels; channel += 2 * vector_width, panel += job.panel_step) {
    if (job.channels - channel > vector_width)
      rows_panel<Int8Tile, 2, Vec>(job, panel, channel);
    else
      rows_panel<Int8Tile, 1, Vec>(job, panel, channel);
  }
}

// Clamped before it is rounded: adding 1.5·2²³ leaves the rounded number in the lowest bits.
TESSERA_INLINE IntVec quantized(Vec x, float least, float most, std::int32_t zero_point) {
  const Vec above = x > least ? x : splat(least), bounded = above < most ? above : splat(most);
  const Vec shifter = splat(12582912.0f);
  return reinterpret_cast<IntVec>(bounded + shifter) - reinterpret_cast<IntVec>(shifter) + zero_point;
}

// Numbers of 0 to 127. (Compilers take a vector apart for this.)
TESSERA_INLINE void store_bytes(std::uint8_t* to, IntVec numbers) {
#if defined(__AVX512F__)
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_maskz_cvtepi32_epi8(0xffff, reinterpret_cast<__m512i>(numbers)));
#elif defined(__AVX2__)
  const __m256i all = reinterpret_cast<__m256i>(numbers);
  const __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(halves, halves));
#else
  for (int i = 0; i < vector_width; ++i) to[i] = static_cast<std::uint8_t>(numbers[i]);
#endif
}

bool quantize(const float* x, std::int64_t count, float factor, std::int32_t zero_point, std::uint8_t* to) {
  const float least = static_cast<float>(-zero_point), most = static_cast<float>(127 - zero_point);
  Vec zeros = {};  // 0·x is NaN where x is not finite, and a sum keeps it: one instruction for a vector
  std::int64_t i = 0;
  for (; i + vector_width <= count; i += vector_width) {
    const Vec v = load(x + i);
    zeros += v * 0.0f;
    store_bytes(to + i, quantized(v * factor, least, most, zero_point));
  }
  if (i < count) {
    const Vec v = load_partial(x + i, count - i);
    zeros += v * 0.0f;
    const IntVec last = quantized(v * factor, least, most, zero_point);
    for (int j = 0; j < count - i; ++j) to[i + j] = static_cast<std::uint8_t>(last[j]);
  }
  float all = 0;
  for (int j = 0; j < vector_width; ++j) all += zeros[j];
  return all == 0.0f;
}

constexpr Int8Kernels int8_table{.panel_width = 2 * vector_width, .rows = rows_int8, .quantize = quantize};

}  // namespace
}  // namespace tessera::kernels::cpu::isa
