// bench_steps: images per second of whole steps of a network, training or inference, on images already in memory.
//
// With --serve it answers each line of standard input, so that a script can let it and a peer take turns on the same
// machine (bench/compare): `describe` by a JSON object of what it runs on and what the host and the memory bear, a number N
// by the seconds of one step, measured over N steps, and any other line by the same over --group steps.
//
// With --cores N it prints, slot by slot, what a step would take on N cores (bench/cores.h).
//
// With --write-onnx it writes the network, with its initial weights, for a peer that reads ONNX (bench/onnx_peer.py).
//
// With --busy it traces a few steps on a GPU (bench/kernel_trace.h) and prints one JSON object: in how many seconds of a
// step anything ran on the device. Divided by the seconds of a step of a run that is not traced, that is the device's busy
// share; tracing makes steps longer, which is why the two are taken from different runs.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/cores.h"
#include "bench/kernel_trace.h"
#include "bench/timing.h"
#include "bench/workload.h"
#include "engine/run/onnx_trace.h"
#include "engine/run/run.h"

namespace {

using namespace tessera;

std::string describe(bench::Workload& workload) {
  return nlohmann::ordered_json{{"device", workload.device().choice()},
                                {"host_seconds", workload.host_seconds()},
                                {"memory_bytes", workload.device().bytes_reserved()}}
      .dump();
}

void serve(bench::Workload& workload, int group) {
  std::printf("ready\n");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "describe") {
      std::printf("%s\n", describe(workload).c_str());
    } else {
      const bool number =
          !line.empty() && line.size() < 8 && std::ranges::all_of(line, [](char c) { return '0' <= c && c <= '9'; });
      std::printf("%.9f\n", workload.seconds(std::max(1, number ? std::stoi(line) : group)));
    }
    std::fflush(stdout);
  }
}

// Everything is per step. Recordings must be made under the trace: the device is opened after it.
nlohmann::ordered_json busy(const NetworkEntry& network, const RunConfig& config, const bench::WorkloadOptions& options,
                            int warm_up) {
  if (!config.device.starts_with("cuda"))
    throw std::runtime_error("kernels are traced on a GPU only, not on device '" + config.device + "'");
  bench::KernelTrace trace;
  bench::Workload workload(network, open_device(config), options);
  workload.seconds(std::max(1, warm_up));
  // Some tens of thousands of records at most: what CUPTI has room for at once.
  const int steps = std::clamp(static_cast<int>(0.2 / workload.seconds(1)), 1, 500);
  (void)trace.take();
  const double traced = workload.seconds(steps);
  const std::vector<bench::Interval> intervals = trace.take();
  if (intervals.empty()) throw std::runtime_error("CUPTI: it has seen no kernel");
  const bench::BusyTime time = bench::busy_time(intervals, trace.multiprocessors());
  return {{"steps", steps},
          {"busy_seconds", time.seconds / steps},
          {"filled", time.filled},
          {"launches", static_cast<double>(intervals.size()) / steps},
          {"traced_seconds", traced}};
}

// 1 where a serial stretch is longer than `most` of the step.
int cores(const NetworkEntry& entry, const RunConfig& config, const bench::WorkloadOptions& options, int threads,
          double most) {
  const bench::CoresReport report = bench::simulate_cores(entry, options, {.device = config.device}, threads);
  std::printf("%-28s %10s %10s %10s   of a step\n", "slot", "1 thread", std::to_string(threads).c_str(), "serial");
  const auto line = [&](const std::string& name, double one, double many, double serial) {
    std::printf("%-28s %7.3f ms %7.3f ms %7.3f ms   %5.1f %%\n", name.c_str(), one * 1e3, many * 1e3, serial * 1e3,
                100 * many / report.many);
  };
  for (const bench::CoresRow& row : report.rows) line(row.slot, row.one, row.many, row.serial);
  line("all", report.one, report.many, report.serial);
  const double share = report.longest_serial / report.many;
  std::printf("%.2f times as fast on %d threads; longest serial stretch: %.3f ms, %.2f %% of a step, in %s\n",
              report.one / report.many, threads, report.longest_serial * 1e3, 100 * share, report.longest_in.c_str());
  if (share <= most) return 0;
  std::fprintf(stderr, "error: that is more than %.2f %%\n", 100 * most);
  return 1;
}

void write_onnx(const NetworkEntry& entry, const std::string& path) {
  const std::unique_ptr<Network> network = entry.make({});
  const ParameterStore parameters(*network, open_onnx_device(), 1);
  std::ofstream file(path, std::ios::binary);
  file << onnx_model(*network, parameters).bytes();
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Times whole steps.", "bench_steps");
  std::string network, mode = "train", conv = "auto", precision = "fp32", onnx;
  RunConfig config;
  config.device = "cpu";
  config.kernels = "own";
  bench::WorkloadOptions options;
  int group = 1, warm_up = 3, simulated = 0;
  double seconds = 5, most_serial = 1;
  bool serving = false, no_recording = false, traced = false;
  app.add_option("NETWORK", network, "A network of the catalogue")->required();
  app.add_option("--mode", mode, "What to time")->check(CLI::IsMember({"train", "infer"}))->capture_default_str();
  app.add_option("--batch-size", options.batch, "Images per step")->capture_default_str();
  app.add_option("--device", config.device, "As of the programs")->capture_default_str();
  app.add_option("--kernels", config.kernels, "With cuda: own or vendor (cuDNN and cuBLAS)")->capture_default_str();
  app.add_option("--precision", precision, "Arithmetic")
      ->check(CLI::IsMember({"fp32", "tf32", "bf16"}))
      ->capture_default_str();
  app.add_option("--conv", conv, "auto or direct")->check(CLI::IsMember({"auto", "direct"}))->capture_default_str();
  app.add_option("--threads", config.threads, "CPU threads; 0: all")->capture_default_str();
  app.add_flag("--deterministic", config.deterministic, "The same bits in every run");
  app.add_flag("--no-recording", no_recording, "Issue every step anew, even where the device could replay it");
  app.add_option("--seconds", seconds, "How long to measure")->capture_default_str();
  app.add_option("--group", group, "Steps per timed group with --serve")->capture_default_str();
  app.add_option("--warm-up", warm_up, "Steps before any is timed")->capture_default_str();
  app.add_flag("--serve", serving, "Time one group for each line on standard input");
  app.add_flag("--busy", traced, "Trace some steps on a GPU: how long anything ran on it; one JSON object");
  app.add_flag("--int8", options.int8, "With --mode infer: products in eight bits");
  app.add_option("--cores", simulated, "Instead: a training step on so many cores, simulated from its chunks");
  app.add_option("--most-serial", most_serial,
                 "With --cores: fail where one thread works alone for longer than this share of a step")
      ->capture_default_str();
  app.add_option("--write-onnx", onnx, "Write the network as ONNX instead");
  CLI11_PARSE(app, argc, argv);
  const auto misused = [](const char* what) {
    std::fprintf(stderr, "error: %s\n", what);
    return static_cast<int>(ExitCode::usage);
  };
  if (options.int8 && (mode != "infer" || no_recording))
    return misused(
        "--int8 goes with --mode infer, and without --no-recording: only what is prepared is computed in eight bits");
  if (simulated > 0 && mode != "train") return misused("--cores simulates a training step, not --mode infer");

  try {
    config.direct_convolution = conv == "direct";
    config.recipe.precision = from_word<Precision>(precision).value();
    options.train = mode == "train";
    options.record = !no_recording;
    if (!onnx.empty()) {
      write_onnx(require_network(network), onnx);
      return 0;
    }
    if (simulated > 0) return cores(require_network(network), config, options, simulated, most_serial);
    if (traced) {
      std::printf("%s\n", busy(require_network(network), config, options, warm_up).dump().c_str());
      return 0;
    }
    bench::Workload workload(require_network(network), open_device(config), options);
    workload.seconds(std::max(1, warm_up));  // by default: as it is, recorded, replayed
    if (serving) {
      serve(workload, group);
      return 0;
    }
    const int steps = std::max(1, static_cast<int>(0.05 / workload.seconds(1)));
    const bench::Timing t = bench::measure([&] { workload.seconds(steps); }, seconds);
    std::printf("%s %s batch %lld: %.3f ms a step (%.3f to %.3f), %.0f images/s\n", network.c_str(), mode.c_str(),
                static_cast<long long>(options.batch), t.median / steps * 1e3, t.fastest / steps * 1e3,
                t.slowest / steps * 1e3, static_cast<double>(options.batch) * steps / t.median);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
