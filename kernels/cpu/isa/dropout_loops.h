// Inner loop of dropout: 16 Philox blocks side by side, one per lane; the same words as philox() in kernels/philox.h.
// About 25 operations an element (two 32×32→64 products per word pair and round), so arithmetic bounds it.
#pragma once

#include "kernels/cpu/isa/simd.h"
#include "kernels/philox.h"

namespace tessera::kernels::cpu::isa {
namespace {

constexpr int blocks_at_once = 16;                    // Philox blocks at once
constexpr int elements_at_once = 4 * blocks_at_once;  // a block draws for four elements_at_once

// Words of blocks first … first + 15 in element order: word[4·lane + j] is word j of block first + lane.
void philox_blocks(std::uint64_t seed, std::uint64_t stream, std::uint64_t first, std::uint32_t* word) {
  std::uint32_t c0[blocks_at_once], c1[blocks_at_once], c2[blocks_at_once], c3[blocks_at_once];
  for (int i = 0; i < blocks_at_once; ++i) {
    const std::uint64_t index = first + static_cast<std::uint64_t>(i);
    c0[i] = static_cast<std::uint32_t>(index);
    c1[i] = static_cast<std::uint32_t>(index >> 32);
    c2[i] = static_cast<std::uint32_t>(stream);
    c3[i] = (static_cast<std::uint32_t>(stream >> 32) & 0x0fffffffu) | (static_cast<std::uint32_t>(Purpose::dropout) << 28);
  }
  std::uint32_t k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    TESSERA_INDEPENDENT
    for (int i = 0; i < blocks_at_once; ++i) {
      const std::uint64_t product0 = 0xD2511F53ull * c0[i], product1 = 0xCD9E8D57ull * c2[i];
      c0[i] = static_cast<std::uint32_t>(product1 >> 32) ^ c1[i] ^ k0;
      c1[i] = static_cast<std::uint32_t>(product1);
      c2[i] = static_cast<std::uint32_t>(product0 >> 32) ^ c3[i] ^ k1;
      c3[i] = static_cast<std::uint32_t>(product0);
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  for (int i = 0; i < blocks_at_once; ++i) {
    word[4 * i] = c0[i];
    word[4 * i + 1] = c1[i];
    word[4 * i + 2] = c2[i];
    word[4 * i + 3] = c3[i];
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
  std::uint32_t word[elements];
  for (Index begin = 0; begin < count; begin += elements) {
    philox_blocks(seed, stream, static_cast<std::uint64_t>(first_block + begin / 4), word);
    const Index here = smaller(elements, count - begin);
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
