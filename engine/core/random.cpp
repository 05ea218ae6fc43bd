#include "engine/core/random.h"

#include <cmath>
#include <numbers>
#include <numeric>

namespace tessera {

std::uint32_t RandomStream::word() {
  if (left_ == 0) {
    block_ = kernels::philox(seed_, purpose_, stream_, index_++);
    left_ = 4;
  }
  return block_.v[4 - left_--];
}

double RandomStream::uniform() {
  const std::uint64_t high = word() >> 5, low = word() >> 6;
  return static_cast<double>((high << 26) | low) * 0x1p-53;
}

double RandomStream::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));  // 1 − u lies in (0, 1]
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

std::uint64_t RandomStream::below(std::uint64_t n) {
  const std::uint64_t limit = ~std::uint64_t{0} - ~std::uint64_t{0} % n;
  for (;;) {
    const std::uint64_t high = word();
    const std::uint64_t draw = (high << 32) | word();
    if (draw < limit) return draw % n;
  }
}

std::uint64_t stream_of(std::string_view name) {
  std::uint64_t hash = 0xCBF29CE484222325ull;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
  return (hash ^ (hash >> 60)) & ((1ull << 60) - 1);
}

std::vector<std::int32_t> shuffled_order(std::int64_t count, std::uint64_t seed, std::int64_t epoch) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  RandomStream random(seed, Purpose::shuffle, static_cast<std::uint64_t>(epoch));
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

}  // namespace tessera
