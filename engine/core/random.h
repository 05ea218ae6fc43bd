// Host-side draws from the one counter-based generator (kernels/philox.h): initial weights, shuffles, synthetic data.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/philox.h"

namespace tessera {

using kernels::Purpose;

// Draws number 0, 1, 2, … of one stream. Copying it copies its position.
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, Purpose purpose, std::uint64_t stream)
      : seed_(seed), purpose_(purpose), stream_(stream) {}

  std::uint32_t word();
  double uniform();                      // [0, 1), 53 bits
  double normal();                       // mean 0, standard deviation 1 (Box–Muller)
  std::uint64_t below(std::uint64_t n);  // 0 … n−1, unbiased (rejection)

 private:
  std::uint64_t seed_;
  Purpose purpose_;
  std::uint64_t stream_;
  std::uint64_t index_ = 0;
  kernels::Random4 block_{};
  int left_ = 0;
};

// A stream number from a name (FNV-1a, 60 bits), so that a parameter's initial values depend on its name alone.
std::uint64_t stream_of(std::string_view name);

// The order of `count` samples in one epoch: a Fisher–Yates shuffle from seed and epoch alone.
std::vector<std::int32_t> shuffled_order(std::int64_t count, std::uint64_t seed, std::int64_t epoch);

}  // namespace tessera
