// matmul of every backend against Eigen's product in float64: a truth that shares no line with our own kernels.
#include <Eigen/Core>
#include <vector>

#include "engine/core/random.h"
#include "engine/core/tensor.h"
#include "tests/catch.h"

using namespace tessera;
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

namespace {

// Values that float32 holds exactly, so that both sides start from the same numbers.
Matrix random_matrix(std::int64_t rows, std::int64_t columns, std::uint64_t stream) {
  RandomStream random(5, Purpose::test, stream);
  Matrix m(rows, columns);
  for (std::int64_t i = 0; i < m.size(); ++i) m.data()[i] = static_cast<float>(random.uniform() - 0.5);
  return m;
}

Tensor to_tensor(const std::shared_ptr<Device>& device, const Matrix& m) {
  const std::vector<float> values(m.data(), m.data() + m.size());
  return Tensor::from(device, {m.rows(), m.cols()}, std::span<const float>(values));
}

}  // namespace

TEST_CASE("matmul agrees with Eigen") {
  for (const kernels::Backend* backend : kernels::backends()) {
    if (std::string why; backend->runtime.device_count(&why) == 0) continue;
    const std::shared_ptr<Device> device =
        Device::open({.device = backend->name, .options = {.threads = 2}, .pool_memory = false});
    for (const auto& [m, k, n] : {std::array<std::int64_t, 3>{1, 1, 1}, {32, 400, 120}, {33, 65, 17}, {10, 84, 31}}) {
      for (const bool transpose_a : {false, true})
        for (const bool transpose_b : {false, true}) {
          INFO(backend->name << " " << m << "×" << k << "×" << n << (transpose_a ? " aᵀ" : "")
                             << (transpose_b ? " bᵀ" : ""));
          const Matrix a = random_matrix(m, k, 1), b = random_matrix(k, n, 2), expected = a * b;
          const Tensor left = to_tensor(device, transpose_a ? Matrix(a.transpose()) : a);
          const Tensor right = to_tensor(device, transpose_b ? Matrix(b.transpose()) : b);
          const Tensor product = Tensor::empty(device, {m, n}, DType::f32);
          backend->matmul(device->stream(), {.transpose_a = transpose_a, .transpose_b = transpose_b}, left, right, {},
                          {product, false});
          const std::vector<float> got = product.to_host<float>();
          double error = 0;
          for (std::size_t i = 0; i < got.size(); ++i) error = std::max(error, std::abs(got[i] - expected.data()[i]));
          CHECK(error <= 2e-6 * expected.cwiseAbs().maxCoeff());
        }
    }
  }
}
