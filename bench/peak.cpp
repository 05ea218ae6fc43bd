#include "bench/peak.h"

#include <algorithm>
#include <vector>

#include "bench/timing.h"
#include "kernels/thread_pool.h"

namespace tessera::bench {
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

}  // namespace

double measure_peak_flops(int threads) {
  const Kernel kernel = widest();
  kernels::ThreadPool pool;
  const Timing fma = measure(
      [&] {
        pool.run(threads, threads, [&](int, std::int64_t) {
          const float keep = kernel.run();
          asm volatile("" : : "m"(keep));  // the sum has to be used
        });
      },
      0.3);
  return 2.0 * 12 * rounds * kernel.lanes * threads / fma.fastest;
}

double measure_peak_bandwidth(int threads, double working_set) {
  const long count = std::max(1024L, static_cast<long>(working_set / (3 * sizeof(float))));
  std::vector<float> a(static_cast<std::size_t>(count), 1.0f), b = a, c = a;
  float *pa = a.data(), *pb = b.data(), *pc = c.data();
  kernels::ThreadPool pool;
  const long parts = count > 20000 ? threads : 1;
  const Timing triad = measure(
      [&] {
        pool.run(threads, parts, [&](int, std::int64_t part) {
          for (long i = count * part / parts; i < count * (part + 1) / parts; ++i) pa[i] = pb[i] + 0.5f * pc[i];
        });
      },
      0.2);
  return 3.0 * sizeof(float) * static_cast<double>(count) / triad.fastest;
}

}  // namespace tessera::bench
