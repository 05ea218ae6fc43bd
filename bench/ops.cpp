// bench_ops: every slot case of a backend: time, GFLOP/s, GB/s, share of the machine's measured peak.
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <map>
#include <thread>

#include "bench/peak.h"
#include "bench/timing.h"
#include "engine/report/text.h"
#include "kernels/backends.h"
#include "tests/cases/slot_case.h"

int main(int argc, char** argv) {
  using namespace tessera;
  CLI::App app("Times kernels on the shapes of the slot cases.", "bench_ops");
  std::string backend_name = "cpu", pattern;
  int threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  double seconds = 0.3;
  bool all = false, direct = false;
  app.add_option("PATTERN", pattern, "Slots or cases, as in conv2d*; several with commas; default: all");
  app.add_option("--backend", backend_name, "cpu, reference, emulated or cuda")->capture_default_str();
  app.add_option("--threads", threads, "CPU threads")->capture_default_str();
  app.add_option("--seconds", seconds, "Time for each case")->capture_default_str();
  app.add_flag("--all", all, "Small shapes too, not only those made for benchmarks");
  app.add_flag("--direct", direct, "No Winograd or other algorithm that gives up accuracy for speed");
  CLI11_PARSE(app, argc, argv);

  const kernels::Backend* backend = kernels::find_backend(backend_name);
  std::string why = "this build has no such backend";
  if (!backend || backend->runtime.device_count(&why) == 0) {
    std::fprintf(stderr, "error: backend %s: %s\n", backend_name.c_str(), why.c_str());
    return 5;
  }
  const bool host = backend->runtime.host_memory;
  const double peak_flops = host ? bench::measure_peak_flops(threads) : 0;
  std::map<int, double> bandwidths;  // by the working set's power of two
  const auto peak_bandwidth = [&](double bytes) {
    const auto [at, added] = bandwidths.try_emplace(std::ilogb(bytes), 0.0);
    if (added) at->second = bench::measure_peak_bandwidth(threads, bytes);
    return at->second;
  };
  std::printf("%s: %s, %d threads", backend->name, backend->runtime.device_info(0).name.c_str(), threads);
  if (host)
    std::printf(", measured peak %.0f GFLOP/s, triad in memory %.1f GB/s", peak_flops / 1e9, peak_bandwidth(256e6) / 1e9);
  std::printf("\n\n%-72s %10s %7s %9s %8s %7s\n", "case", "µs", "±%", "GFLOP/s", "GB/s", "share");

  kernels::Stream stream(*backend, 0, {.threads = threads, .direct_convolution = direct});
  for (const cases::SlotCase& slot_case : cases::slot_cases(pattern, cases::Size::bench)) {
    if (!all && slot_case.size != cases::Size::bench) continue;
    if (!cases::has_kernel(slot_case, *backend)) {
      std::printf("%-72s no such kernel\n", slot_case.name().c_str());
      continue;
    }
    cases::Prepared prepared(slot_case, stream, kernels::DType::f32, false);
    const bench::Timing t = bench::measure(
        [&] {
          prepared.call();
          backend->runtime.synchronize(stream.native);
        },
        seconds);
    const double flops = slot_case.flops / t.median, bytes = slot_case.bytes() / t.median;
    std::printf("%-72s %10.1f %7.0f %9.1f %8.1f", slot_case.name().c_str(), t.median * 1e6,
                100 * (t.slowest - t.fastest) / (2 * t.median), flops / 1e9, bytes / 1e9);
    // Of whichever limit is nearer: arithmetic, or a triad over as many bytes.
    if (host) std::printf(" %6.0f%%", 100 * std::max(flops / peak_flops, bytes / peak_bandwidth(slot_case.bytes())));
    std::printf("\n");
    std::fflush(stdout);
  }
  return 0;
}
