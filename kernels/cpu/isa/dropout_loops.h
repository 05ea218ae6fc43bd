// Inner loop of dropout: several Philox blocks side by side, one per 64-bit lane; the same words as philox() in
// kernels/philox.h. About five vector operations for every vector of elements and round: bound by arithmetic.
// Left to itself the compiler vectorises the 32×32→64 products badly (five times slower with AVX2).
#pragma once

#include "kernels/cpu/isa/simd.h"
#include "kernels/philox.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace tessera::kernels::cpu::isa {
namespace {

typedef std::uint64_t Wide __attribute__((vector_size(4 * vector_width)));

constexpr int wide_lanes = vector_width / 2;
constexpr int chains = 2;                             // independent vectors, which hide the latency of the products
constexpr int blocks_at_once = chains * wide_lanes;   // Philox blocks
constexpr int elements_at_once = 4 * blocks_at_once;  // a block draws for four elements

// Products of the lower halves of the lanes.
TESSERA_INLINE Wide product(Wide a, Wide b) {
#if defined(__AVX512F__)
  // The form with a mask of ones: g++ 12 warns about the undefined pass-through of the plain one.
  return reinterpret_cast<Wide>(_mm512_maskz_mul_epu32(0xff, reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif defined(__AVX2__)
  return reinterpret_cast<Wide>(_mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#elif defined(__SSE2__)
  return reinterpret_cast<Wide>(_mm_mul_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#else
  return (a & 0xffffffffu) * (b & 0xffffffffu);
#endif
}

// Words of blocks first … first + blocks_at_once − 1 in element order, two to a 64-bit integer.
TESSERA_INLINE void philox_blocks(std::uint64_t seed, std::uint64_t stream, std::uint64_t first, std::uint64_t* pairs) {
  const Wide multiplier0 = Wide{} + 0xD2511F53u, multiplier1 = Wide{} + 0xCD9E8D57u;
  // Only the lower halves of the lanes matter; whatever collects above them is never read.
  Wide c0[chains], c1[chains], c2[chains], c3[chains];
  for (int v = 0; v < chains; ++v) {
    std::uint64_t index[wide_lanes];
    for (int i = 0; i < wide_lanes; ++i) index[i] = first + static_cast<std::uint64_t>(v * wide_lanes + i);
    __builtin_memcpy(&c0[v], index, sizeof index);
    c1[v] = c0[v] >> 32;
    c2[v] = Wide{} + stream;
    c3[v] = Wide{} + (((stream >> 32) & 0x0fffffffu) | (static_cast<std::uint64_t>(Purpose::dropout) << 28));
  }
  std::uint32_t k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    for (int v = 0; v < chains; ++v) {
      const Wide product0 = product(multiplier0, c0[v]), product1 = product(multiplier1, c2[v]);
      c0[v] = (product1 >> 32) ^ c1[v] ^ (Wide{} + k0);
      c1[v] = product1;
      c2[v] = (product0 >> 32) ^ c3[v] ^ (Wide{} + k1);
      c3[v] = product0;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  for (int v = 0; v < chains; ++v) {
    const Wide front = (c0[v] & 0xffffffffu) | (c1[v] << 32), back = (c2[v] & 0xffffffffu) | (c3[v] << 32);
    for (int i = 0; i < wide_lanes; ++i) {
      pairs[2 * (v * wide_lanes + i)] = front[i];
      pairs[2 * (v * wide_lanes + i) + 1] = back[i];
    }
  }
}

// to_unit(word) ≥ probability ⇔ word >> 8 ≥ the least integer that is ≥ probability·2^24: exact, since float32 holds both.
inline std::int32_t threshold_of(float probability) {
  const float scaled = probability * 16777216.0f;
  const auto truncated = static_cast<std::int32_t>(scaled);
  return static_cast<float>(truncated) < scaled ? truncated + 1 : truncated;
}

void dropout(std::uint64_t seed, std::uint64_t stream, Index first_block, float probability, float factor, const float* x,
             float* y, bool accumulate, Index count) {
  const std::int32_t threshold = threshold_of(probability);
  std::uint64_t pairs[elements_at_once / 2];
  std::uint32_t word[elements_at_once];
  for (Index begin = 0; begin < count; begin += elements_at_once) {
    philox_blocks(seed, stream, static_cast<std::uint64_t>(first_block + begin / 4), pairs);
    for (int i = 0; i < elements_at_once / 2; ++i) {
      word[2 * i] = static_cast<std::uint32_t>(pairs[i]);
      word[2 * i + 1] = static_cast<std::uint32_t>(pairs[i] >> 32);
    }
    const Index here = smaller(elements_at_once, count - begin);
    const float* from = x + begin;
    float* to = y + begin;
    // Selected by a mask of bits: a branch that goes either way at random would cost more than the draw.
    const auto kept = [&](Index i) {
      const std::uint32_t mask = 0u - static_cast<std::uint32_t>(static_cast<std::int32_t>(word[i] >> 8) >= threshold);
      return __builtin_bit_cast(float, __builtin_bit_cast(std::uint32_t, from[i] * factor) & mask);
    };
    if (accumulate) {
      TESSERA_INDEPENDENT
      for (Index i = 0; i < here; ++i) to[i] += kept(i);
    } else {
      TESSERA_INDEPENDENT
      for (Index i = 0; i < here; ++i) to[i] = kept(i);
    }
  }
}

}  // namespace
}  // namespace tessera::kernels::cpu::isa
