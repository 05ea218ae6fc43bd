// Calling the reference backend in float64 with ordinary vectors.
#pragma once

#include <cmath>
#include <vector>

#include "kernels/backends.h"
#include "kernels/philox.h"
#include "tests/catch.h"

namespace tessera::tests {

using Values = std::vector<double>;

inline const kernels::Backend& backend() { return kernels::reference_backend(); }

inline kernels::View view(Values& v, kernels::Dims dims) {
  REQUIRE(static_cast<std::int64_t>(v.size()) == dims.count());
  return {v.data(), kernels::DType::f64, dims};
}
inline kernels::ConstView view(const Values& v, kernels::Dims dims) {
  REQUIRE(static_cast<std::int64_t>(v.size()) == dims.count());
  return {v.data(), kernels::DType::f64, dims};
}
inline kernels::ConstView view(const std::vector<std::int32_t>& v, kernels::Dims dims) {
  return {v.data(), kernels::DType::i32, dims};
}
inline kernels::Gradient gradient(Values& v, kernels::Dims dims) { return {view(v, dims), false}; }

inline Values zeros(const kernels::Dims& dims) { return Values(static_cast<std::size_t>(dims.count())); }

// Values in [−1, 1), different for every `seed`.
inline Values random(const kernels::Dims& dims, std::uint64_t seed) {
  Values v = zeros(dims);
  for (std::size_t i = 0; i < v.size(); ++i)
    v[i] = 2 * static_cast<double>(kernels::to_unit(kernels::philox(seed, kernels::Purpose::test, 0, i).v[0])) - 1;
  return v;
}

inline double dot(const Values& a, const Values& b) {
  double total = 0;
  for (std::size_t i = 0; i < a.size(); ++i) total += a[i] * b[i];
  return total;
}

// Every element within `share` of the largest expected magnitude.
inline void check_close(const Values& got, const Values& expected, double share = 1e-12) {
  REQUIRE(got.size() == expected.size());
  double largest = 0;
  for (double v : expected) largest = std::max(largest, std::abs(v));
  for (std::size_t i = 0; i < got.size(); ++i) {
    INFO("element " << i << ": " << got[i] << ", expected " << expected[i]);
    CHECK(std::abs(got[i] - expected[i]) <= share * largest);
  }
}

}  // namespace tessera::tests
