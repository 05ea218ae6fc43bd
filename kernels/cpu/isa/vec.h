// One vector of floats, as wide as the instruction set that this file is compiled for.
//
// Only for the files isa/<instruction set>.cpp, which define TESSERA_VECTOR_FLOATS. Everything below isa/ is internal to
// its translation unit (anonymous namespace, no library templates): a function that the linker could share with the rest
// of the program would carry, say, AVX-512 code to machines without it.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX__)
#include <immintrin.h>
#endif

#if !defined(TESSERA_VECTOR_FLOATS)
#error "define TESSERA_VECTOR_FLOATS: included only by the files of one instruction set"
#endif

#define TESSERA_INLINE inline __attribute__((always_inline))

namespace tessera::kernels::cpu::isa {
namespace {

constexpr int vector_width = TESSERA_VECTOR_FLOATS;

typedef float Vec __attribute__((vector_size(4 * vector_width)));
typedef std::int32_t IntVec __attribute__((vector_size(4 * vector_width)));
typedef float UnalignedVec __attribute__((vector_size(4 * vector_width), aligned(4), may_alias));

TESSERA_INLINE Vec load(const float* p) { return *reinterpret_cast<const UnalignedVec*>(p); }
TESSERA_INLINE void store(float* p, Vec v) { *reinterpret_cast<UnalignedVec*>(p) = v; }
TESSERA_INLINE Vec splat(float x) { return Vec{} + x; }

// The first `count` < vector_width floats at p, zeros behind them; nothing beyond them is read or written.
#if defined(__AVX512F__)
TESSERA_INLINE __mmask16 first_lanes(std::int64_t count) { return static_cast<__mmask16>((1u << count) - 1u); }
TESSERA_INLINE Vec load_partial(const float* p, std::int64_t count) {
  return reinterpret_cast<Vec>(_mm512_maskz_loadu_ps(first_lanes(count), p));
}
TESSERA_INLINE void store_partial(float* p, Vec v, std::int64_t count) {
  _mm512_mask_storeu_ps(p, first_lanes(count), reinterpret_cast<__m512>(v));
}
#elif defined(__AVX2__)
TESSERA_INLINE __m256i first_lanes(std::int64_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
TESSERA_INLINE Vec load_partial(const float* p, std::int64_t count) {
  return reinterpret_cast<Vec>(_mm256_maskload_ps(p, first_lanes(count)));
}
TESSERA_INLINE void store_partial(float* p, Vec v, std::int64_t count) {
  _mm256_maskstore_ps(p, first_lanes(count), reinterpret_cast<__m256>(v));
}
#else
TESSERA_INLINE Vec load_partial(const float* p, std::int64_t count) {
  Vec v{};
  for (int i = 0; i < vector_width; ++i)
    if (i < count) v[i] = p[i];
  return v;
}
TESSERA_INLINE void store_partial(float* p, Vec v, std::int64_t count) {
  for (int i = 0; i < vector_width; ++i)
    if (i < count) p[i] = v[i];
}
#endif

// max(x, 0), NaN stays NaN.
TESSERA_INLINE Vec relu(Vec x) { return x < 0 ? Vec{} : x; }

// e^x for x in [−87, 87], relative error below 2 units in the last place: x = n·ln 2 + r with |r| ≤ ½ ln 2, ln 2 in two
// parts so that r is exact, e^r by its Taylor polynomial of degree 7 (remainder < 2^−27), 2^n through the exponent bits.
TESSERA_INLINE Vec exp_bounded(Vec x) {
  const Vec shifter = splat(12582912.0f);  // 1.5 · 2^23: adding and subtracting it rounds to the nearest integer
  const Vec n = (x * 1.44269504088896341f + shifter) - shifter;
  const Vec r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Vec e = splat(1.0f / 5040);
  e = e * r + 1.0f / 720;
  e = e * r + 1.0f / 120;
  e = e * r + 1.0f / 24;
  e = e * r + 1.0f / 6;
  e = e * r + 0.5f;
  e = e * r + 1.0f;
  e = e * r + 1.0f;
  const IntVec exponent = (__builtin_convertvector(n, IntVec) + 127) << 23;
  return e * reinterpret_cast<Vec>(exponent);
}

// 1/(1 + e^−x); beyond ±87 it is 1 or (almost) 0 in float32 anyway. NaN stays NaN.
TESSERA_INLINE Vec sigmoid(Vec x) {
  const Vec bounded = x > 87.0f ? splat(87.0f) : (x < -87.0f ? splat(-87.0f) : x);
  return 1.0f / (1.0f + exp_bounded(-bounded));
}

}  // namespace
}  // namespace tessera::kernels::cpu::isa
