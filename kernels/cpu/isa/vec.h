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

#include "kernels/bf16.h"

#if !defined(TESSERA_VECTOR_FLOATS)
#error "define TESSERA_VECTOR_FLOATS: included only by the files of one instruction set"
#endif

#define TESSERA_INLINE inline __attribute__((always_inline))

namespace tessera::kernels::cpu::isa {
namespace {

constexpr int vector_width = TESSERA_VECTOR_FLOATS;

// A vector, and one of half its width for the few channels of first layers (below eight floats there is none).
constexpr int half_width = vector_width > 4 ? vector_width / 2 : vector_width;
typedef float Vec __attribute__((vector_size(4 * vector_width)));
typedef float HalfVec __attribute__((vector_size(4 * half_width)));
template <class T>
constexpr int lanes = static_cast<int>(sizeof(T) / sizeof(float));

template <int>
struct Types;  // by number of floats: the same without alignment, and as many integers
template <>
struct Types<4> {
  typedef float Unaligned __attribute__((vector_size(16), aligned(4), may_alias));
  typedef std::int32_t Int __attribute__((vector_size(16)));
  typedef std::uint32_t Bits __attribute__((vector_size(16)));
  typedef std::uint16_t Half __attribute__((vector_size(8)));
};
template <>
struct Types<8> {
  typedef float Unaligned __attribute__((vector_size(32), aligned(4), may_alias));
  typedef std::int32_t Int __attribute__((vector_size(32)));
  typedef std::uint32_t Bits __attribute__((vector_size(32)));
  typedef std::uint16_t Half __attribute__((vector_size(16)));
};
template <>
struct Types<16> {
  typedef float Unaligned __attribute__((vector_size(64), aligned(4), may_alias));
  typedef std::int32_t Int __attribute__((vector_size(64)));
  typedef std::uint32_t Bits __attribute__((vector_size(64)));
  typedef std::uint16_t Half __attribute__((vector_size(32)));
};

template <class T = Vec>
TESSERA_INLINE T load(const float* p) {
  return *reinterpret_cast<const typename Types<lanes<T>>::Unaligned*>(p);
}
template <class T>
TESSERA_INLINE void store(float* p, T v) {
  *reinterpret_cast<typename Types<lanes<T>>::Unaligned*>(p) = v;
}
template <class T = Vec>
TESSERA_INLINE T splat(float x) {
  return T{} + x;
}

// The first `count` < lanes floats at p, zeros behind them; nothing beyond them is read or written.
template <class T = Vec>
TESSERA_INLINE T load_partial(const float* p, std::int64_t count) {
#if defined(__AVX512VL__)
  const unsigned mask = (1u << count) - 1u;
  if constexpr (lanes<T> == 16) return reinterpret_cast<T>(_mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), p));
  if constexpr (lanes<T> == 8) return reinterpret_cast<T>(_mm256_maskz_loadu_ps(static_cast<__mmask8>(mask), p));
#elif defined(__AVX2__)
  const __m256i mask =
      _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  if constexpr (lanes<T> == 8) return reinterpret_cast<T>(_mm256_maskload_ps(p, mask));
  if constexpr (lanes<T> == 4) return reinterpret_cast<T>(_mm_maskload_ps(p, _mm256_castsi256_si128(mask)));
#else
  T v{};
  for (int i = 0; i < lanes<T>; ++i)
    if (i < count) v[i] = p[i];
  return v;
#endif
}
template <class T>
TESSERA_INLINE void store_partial(float* p, T v, std::int64_t count) {
#if defined(__AVX512VL__)
  const unsigned mask = (1u << count) - 1u;
  if constexpr (lanes<T> == 16) _mm512_mask_storeu_ps(p, static_cast<__mmask16>(mask), reinterpret_cast<__m512>(v));
  if constexpr (lanes<T> == 8) _mm256_mask_storeu_ps(p, static_cast<__mmask8>(mask), reinterpret_cast<__m256>(v));
#elif defined(__AVX2__)
  const __m256i mask =
      _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  if constexpr (lanes<T> == 8) _mm256_maskstore_ps(p, mask, reinterpret_cast<__m256>(v));
  if constexpr (lanes<T> == 4) _mm_maskstore_ps(p, _mm256_castsi256_si128(mask), reinterpret_cast<__m128>(v));
#else
  for (int i = 0; i < lanes<T>; ++i)
    if (i < count) p[i] = v[i];
#endif
}

// ---- bf16 in memory, floats in a vector ---------------------------------------------------------------------------------

template <class T>
TESSERA_INLINE T widened(typename Types<lanes<T>>::Half halves) {
  return reinterpret_cast<T>(__builtin_convertvector(halves, typename Types<lanes<T>>::Bits) << 16);
}
// As to_bf16 of kernels/bf16.h.
template <class T>
TESSERA_INLINE typename Types<lanes<T>>::Half rounded(T x) {
  typedef typename Types<lanes<T>>::Bits Bits;
  const Bits bits = reinterpret_cast<Bits>(x), upper = bits >> 16;
  const Bits nearest = (bits + 0x7fffu + (upper & 1u)) >> 16;
  const Bits chosen = (bits & 0x7fffffffu) > 0x7f800000u ? upper | 0x40u : nearest;
  return __builtin_convertvector(chosen, typename Types<lanes<T>>::Half);
}

template <class T = Vec>
TESSERA_INLINE T load(const bf16* p) {
  typename Types<lanes<T>>::Half halves;
  __builtin_memcpy(&halves, p, sizeof halves);
  return widened<T>(halves);
}
template <class T>
TESSERA_INLINE void store(bf16* p, T v) {
  const typename Types<lanes<T>>::Half halves = rounded(v);
  __builtin_memcpy(p, &halves, sizeof halves);
}
template <class T = Vec>
TESSERA_INLINE T load_partial(const bf16* p, std::int64_t count) {
  typename Types<lanes<T>>::Half halves{};
#if defined(__AVX512VL__)
  const unsigned mask = (1u << count) - 1u;
  if constexpr (lanes<T> == 16)
    halves = reinterpret_cast<Types<16>::Half>(_mm256_maskz_loadu_epi16(static_cast<__mmask16>(mask), p));
  else
    halves = reinterpret_cast<Types<8>::Half>(_mm_maskz_loadu_epi16(static_cast<__mmask8>(mask), p));
#else
  for (int i = 0; i < lanes<T>; ++i)
    if (i < count) halves[i] = p[i].bits;
#endif
  return widened<T>(halves);
}
template <class T>
TESSERA_INLINE void store_partial(bf16* p, T v, std::int64_t count) {
  const typename Types<lanes<T>>::Half halves = rounded(v);
#if defined(__AVX512VL__)
  const unsigned mask = (1u << count) - 1u;
  if constexpr (lanes<T> == 16)
    _mm256_mask_storeu_epi16(p, static_cast<__mmask16>(mask), reinterpret_cast<__m256i>(halves));
  else
    _mm_mask_storeu_epi16(p, static_cast<__mmask8>(mask), reinterpret_cast<__m128i>(halves));
#else
  for (int i = 0; i < lanes<T>; ++i)
    if (i < count) p[i].bits = halves[i];
#endif
}

// ---- functions ----------------------------------------------------------------------------------------------------------

// e^x for x in [−87, 87], relative error below 2 units in the last place: x = n·ln 2 + r with |r| ≤ ½ ln 2, ln 2 in two
// parts so that r is exact, e^r by its Taylor polynomial of degree 7 (remainder < 2^−27), 2^n through the exponent bits.
template <class T>
TESSERA_INLINE T exp_bounded(T x) {
  typedef typename Types<lanes<T>>::Int Int;
  const T shifter = splat<T>(12582912.0f);  // 1.5 · 2^23: adding and subtracting it rounds to the nearest integer
  const T n = (x * 1.44269504088896341f + shifter) - shifter;
  const T r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  T e = splat<T>(1.0f / 5040);
  e = e * r + 1.0f / 720;
  e = e * r + 1.0f / 120;
  e = e * r + 1.0f / 24;
  e = e * r + 1.0f / 6;
  e = e * r + 0.5f;
  e = e * r + 1.0f;
  e = e * r + 1.0f;
  const Int exponent = (__builtin_convertvector(n, Int) + 127) << 23;
  return e * reinterpret_cast<T>(exponent);
}

}  // namespace
}  // namespace tessera::kernels::cpu::isa
