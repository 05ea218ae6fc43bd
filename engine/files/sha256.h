// SHA-256, to notice files that changed since they were written (not to keep secrets).
// Source: FIPS 180-4, "Secure Hash Standard", sections 4.1.2, 5.1.1 and 6.2.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace tessera {

class Sha256 {
 public:
  using Digest = std::array<std::uint8_t, 32>;

  void update(std::span<const std::byte> bytes);
  Digest finish();  // once, after the last update

 private:
  std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, 64> block_ = {};
  std::uint64_t length_ = 0;  // bytes so far; length_ % 64 of them wait in block_
};

std::string to_hex(const Sha256::Digest& digest);  // 64 lower-case digits
std::string sha256_hex(std::span<const std::byte> bytes);

}  // namespace tessera
