#include "engine/run/peak.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "kernels/thread_pool.h"

namespace tessera {
namespace {

constexpr int rounds = 200000;

// Twelve independent chains of multiply-adds hide the latency of each. The value is returned so that none is removed.
template <class Vector>
[[gnu::always_inline]] inline float multiply_adds() {
  Vector a[12];
  for (int i = 0; i < 12; ++i) a[i] = Vector{} + static_cast<float>(i) * 1e-3f;
  Vector b = Vector{} + 0.999f, c = Vector{} + 1e-3f;
  asm volatile("" : "+m"(b), "+m"(c));  // unknown to the optimiser
  for (int r = 0; r < rounds; ++r)
    for (int i = 0; i < 12; ++i) a[i] = a[i] * b + c;
  float sum = 0;
  for (int i = 0; i < 12; ++i) sum += a[i][0];
  return sum;
}

typedef float Vector4 __attribute__((vector_size(16)));
float run_baseline() { return multiply_adds<Vector4>(); }

#if defined(__x86_64__)
typedef float Vector8 __attribute__((vector_size(32)));
typedef float Vector16 __attribute__((vector_size(64)));
__attribute__((target("avx2,fma"))) float run_avx2() { return multiply_adds<Vector8>(); }
__attribute__((target("avx512f"))) float run_avx512() { return multiply_adds<Vector16>(); }
#endif

struct Kernel {
  float (*run)();
  int lanes;
};

Kernel widest() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return {run_avx512, 16};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return {run_avx2, 8};
#endif
  return {run_baseline, 4};
}

// Seconds of one call of `work`, the fastest of many: in groups long enough to be timed, for so many seconds.
template <class Work>
double fastest(const Work& work, double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto time = [&](int calls) {
    const auto start = Clock::now();
    for (int i = 0; i < calls; ++i) work();
    return std::chrono::duration<double>(Clock::now() - start).count() / calls;
  };
  time(1);  // first touch
  const int group = std::max(1, static_cast<int>(std::ceil(0.005 / std::max(time(1), 1e-9))));
  double best = HUGE_VAL;
  const auto begin = Clock::now();
  for (int i = 0; i < 5 || std::chrono::duration<double>(Clock::now() - begin).count() < seconds; ++i)
    best = std::min(best, time(group));
  return best;
}

}  // namespace

double measure_peak_flops(int threads) {
  const Kernel kernel = widest();
  kernels::ThreadPool pool;
  const double seconds = fastest(
      [&] {
        pool.run(threads, threads, [&](int, std::int64_t) {
          const float keep = kernel.run();
          asm volatile("" : : "m"(keep));  // the sum has to be used
        });
      },
      0.3);
  return 2.0 * 12 * rounds * kernel.lanes * threads / seconds;
}

double measure_peak_bandwidth(int threads, double working_set) {
  const long count = std::max(1024L, static_cast<long>(working_set / (3 * sizeof(float))));
  std::vector<float> a(static_cast<std::size_t>(count), 1.0f), b = a, c = a;
  float *pa = a.data(), *pb = b.data(), *pc = c.data();
  kernels::ThreadPool pool;
  const long parts = count > 20000 ? threads : 1;
  const double seconds = fastest(
      [&] {
        pool.run(threads, parts, [&](int, std::int64_t part) {
          for (long i = count * part / parts; i < count * (part + 1) / parts; ++i) pa[i] = pb[i] + 0.5f * pc[i];
        });
      },
      0.2);
  return 3.0 * sizeof(float) * static_cast<double>(count) / seconds;
}

}  // namespace tessera
