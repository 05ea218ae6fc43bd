// Philox4x32-10, the one random generator: a pure function of a key and a counter, so that any element of any stream of
// draws can be computed anywhere, in any order, on any backend, and after a resume.
//
// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <cstdint>

#include "kernels/host_device.h"

namespace tessera::kernels {

// What a draw is for; streams of different purposes never overlap.
enum class Purpose : std::uint32_t {
  weights = 1,
  shuffle = 2,
  dropout = 3,
  augment = 4,
  synthetic = 5,
  test = 6,
  alter = 7
};

struct Random4 {
  std::uint32_t v[4];
};

// Block `index` of the stream named by (seed, purpose, stream): four independent uniform 32-bit words.
//   key     = seed
//   counter = { index low, index high, stream, purpose in the top 4 bits | stream high }
// index < 2^64, stream < 2^60.
TESSERA_HOST_DEVICE inline Random4 philox(std::uint64_t seed, Purpose purpose, std::uint64_t stream, std::uint64_t index) {
  std::uint32_t c0 = static_cast<std::uint32_t>(index), c1 = static_cast<std::uint32_t>(index >> 32);
  std::uint32_t c2 = static_cast<std::uint32_t>(stream);
  std::uint32_t c3 = (static_cast<std::uint32_t>(stream >> 32) & 0x0fffffffu) | (static_cast<std::uint32_t>(purpose) << 28);
  std::uint32_t k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = 0xD2511F53ull * c0, product1 = 0xCD9E8D57ull * c2;
    const std::uint32_t high0 = static_cast<std::uint32_t>(product0 >> 32),
                        high1 = static_cast<std::uint32_t>(product1 >> 32);
    c0 = high1 ^ c1 ^ k0;
    c1 = static_cast<std::uint32_t>(product1);
    c2 = high0 ^ c3 ^ k1;
    c3 = static_cast<std::uint32_t>(product0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// [0, 1) with 24 bits: exact in float32.
TESSERA_HOST_DEVICE inline float to_unit(std::uint32_t word) { return static_cast<float>(word >> 8) * (1.0f / 16777216.0f); }

// Is element i dropped? Word i%4 of block i/4 of the stream (step, layer); `probability` in float32 decides.
TESSERA_HOST_DEVICE inline std::uint64_t dropout_stream(std::int64_t step, std::uint32_t layer) {
  return (static_cast<std::uint64_t>(step) << 16) | (layer & 0xffffu);
}

}  // namespace tessera::kernels
