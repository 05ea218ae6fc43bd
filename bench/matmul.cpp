// bench_matmul: our CPU matmul and Eigen's product on the same matrices, one thread each, taking turns.
//
// Eigen is compiled here for the baseline instruction set, as a program that must start on any machine has to compile it;
// ours chooses its instruction set at run time.
#include <Eigen/Core>
#include <algorithm>
#include <cstdio>
#include <vector>

#include "bench/timing.h"
#include "engine/core/tensor.h"

int main() {
  using namespace tessera;
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const std::shared_ptr<Device> device = Device::open({.device = "cpu", .options = {.threads = 1}});
  std::printf("%-18s %12s %12s %8s\n", "m × k × n", "ours GF/s", "Eigen GF/s", "ratio");
  for (const auto& [m, k, n] : {std::array<std::int64_t, 3>{32, 400, 120},
                                {32, 120, 84},
                                {32, 84, 10},
                                {32, 512, 10},
                                {32, 1024, 2048},
                                {32, 2048, 2048},
                                {128, 2048, 2048},
                                {256, 256, 256},
                                {512, 512, 512},
                                {1024, 1024, 1024}}) {
    const Matrix a = Matrix::Random(m, k), b = Matrix::Random(k, n);
    Matrix c(m, n);
    const auto upload = [&](const Matrix& x) {
      return Tensor::from(device, {x.rows(), x.cols()},
                          std::span<const float>(x.data(), static_cast<std::size_t>(x.size())));
    };
    const Tensor left = upload(a), right = upload(b), product = Tensor::empty(device, {m, n}, DType::f32);
    std::vector<double> ours, eigen;
    for (int round = 0; round < 5; ++round) {
      ours.push_back(bench::measure(
                         [&] {
                           device->run(&Backend::matmul, {}, left, right, {}, {product, false});
                         },
                         0.1)
                         .fastest);
      eigen.push_back(bench::measure([&] { c.noalias() = a * b; }, 0.1).fastest);
    }
    std::sort(ours.begin(), ours.end());
    std::sort(eigen.begin(), eigen.end());
    const double flops = 2.0 * static_cast<double>(m * k * n);
    char shape[48];
    std::snprintf(shape, sizeof shape, "%lld × %lld × %lld", static_cast<long long>(m), static_cast<long long>(k),
                  static_cast<long long>(n));
    std::printf("%-18s %12.1f %12.1f %8.2f\n", shape, flops / ours[2] / 1e9, flops / eigen[2] / 1e9, eigen[2] / ours[2]);
  }
  return 0;
}
