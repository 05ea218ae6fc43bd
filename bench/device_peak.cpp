#include "bench/device_peak.h"

#include <algorithm>
#include <random>

#include "bench/case_timer.h"
#include "bench/timing.h"

namespace tessera::bench {
namespace {

constexpr int samples = 7;

template <class Sample>
double fastest(const Sample& sample) {
  double best = sample();
  for (int i = 1; i < samples; ++i) best = std::min(best, sample());
  return best;
}

}  // namespace

double measure_copy_bandwidth(const kernels::Backend& backend, double bytes) {
  const kernels::Runtime& runtime = backend.runtime;
  kernels::Stream stream(backend, 0, {});
  const auto size = static_cast<std::size_t>(bytes);
  const auto release = [&](void* memory) { runtime.release(0, memory); };
  const std::unique_ptr<void, decltype(release)> from(runtime.allocate(0, size), release),
      to(runtime.allocate(0, size), release);
  runtime.zero(stream.native, from.get(), size);
  constexpr int copies = 10;
  const auto copy = [&] {
    const double start = now();
    for (int i = 0; i < copies; ++i)
      runtime.copy(stream.native, to.get(), from.get(), size, kernels::Copy::device_to_device);
    runtime.synchronize(stream.native);
    return (now() - start) / copies;
  };
  copy();
  return 2.0 * static_cast<double>(size) / fastest(copy);
}

double measure_product_flops(const kernels::Backend& backend, const kernels::Options& options, kernels::DType real,
                             std::int64_t size) {
  std::mt19937 generator(1);
  std::normal_distribution<double> normal;
  std::vector<double> values(65'537);
  for (double& v : values) v = normal(generator);
  const cases::Fill fill = cases::listed(values);
  const kernels::Dims square{size, size};
  const cases::SlotCase product{
      .slot = "matmul",
      .variant = "peak",
      .operands = {cases::input("a", square, fill), cases::input("b", square, fill), cases::output("c", square)},
      .call = [](kernels::Stream& s, const cases::Operands& o) {
        s.backend.matmul(s, {}, o["a"], o["b"], {}, {o["c"], false});
      }};
  const auto contents = std::make_shared<const cases::Contents>(cases::contents(product, real, false));
  CaseTimer timer(product, backend, options, real, contents, 0);
  const auto n = static_cast<double>(size);
  return 2.0 * n * n * n / fastest([&] { return timer.sample(); });
}

}  // namespace tessera::bench
