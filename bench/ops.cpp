// bench_ops: kernels one by one: time, GFLOP/s, GB/s, share of what the machine can do. Several backends take turns on each
// kernel (`--backend cuda,vendor`), so that a ratio compares neighbours in time. A kernel that a backend shares with one
// named before it is timed once, under the first one's name.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>
#include <thread>

#include "bench/case_timer.h"
#include "bench/device_peak.h"
#include "bench/disagreement.h"
#include "bench/ladder.h"
#include "bench/recorded_step.h"
#include "bench/timing.h"
#include "engine/report/text.h"
#include "engine/run/peak.h"
#include "kernels/backends.h"

namespace {

using namespace tessera;
using Json = nlohmann::ordered_json;

struct Request {
  std::string backends = "cpu", pattern, precision = "fp32", step;
  int threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  double seconds = 0.3, working_set = -1;
  std::int64_t batch = 32, peak_size = 0, ladder = 0;
  bool all = false, direct = false, json = false, peaks_only = false, compare = false;

  kernels::DType real() const { return precision == "bf16" ? kernels::DType::bf16 : kernels::DType::f32; }
  kernels::Options options(const kernels::Backend& backend) const {
    return {.threads = threads,
            .instruction_set = kernels::instruction_set_of_environment(),
            .direct_convolution = direct,
            .tf32 = precision == "tf32",
            .search = backend.overlays ? kernels::Search::library : kernels::Search::off};
  }
};

// The backends asked for; DeviceError where one is not there.
std::vector<const kernels::Backend*> open_backends(const std::string& names) {
  std::vector<const kernels::Backend*> backends;
  std::istringstream list(names);
  for (std::string name; std::getline(list, name, ',');) {
    const kernels::Backend* backend = kernels::find_backend(name);
    std::string why = "this build has no such backend";
    if (!backend || backend->runtime.device_count(&why) == 0) throw kernels::DeviceError("backend " + name + ": " + why);
    backends.push_back(backend);
  }
  if (backends.empty()) throw kernels::DeviceError("no backend given");
  return backends;
}

// What the machine can do at most: of a CPU by its instructions and caches, of a device by the last backend's product.
class Peak {
 public:
  Peak(const Request& request, const kernels::Backend& backend) : request_(request) {
    host_ = std::string_view(backend.name) == "cpu" || std::string_view(backend.name) == "reference";
    if (host_) {
      flops_ = measure_peak_flops(request.threads);
      return;
    }
    const bool gpu = backend.gpu;
    const std::int64_t size = request.peak_size > 0 ? request.peak_size : gpu ? 8192 : 64;
    flops_ = bench::measure_product_flops(backend, request.options(backend), request.real(), size);
    bandwidth_ = bench::measure_copy_bandwidth(backend, gpu && size >= 1024 ? 1e9 : 1e6);
  }

  double flops() const { return flops_; }
  double bandwidth(double bytes) {
    if (!host_) return bandwidth_;
    const auto [at, added] = by_size_.try_emplace(std::ilogb(bytes), 0.0);
    if (added) at->second = measure_peak_bandwidth(request_.threads, bytes);
    return at->second;
  }
  // Of whichever limit is nearer: arithmetic, or memory.
  double share(double flops, double bytes, double seconds) {
    return std::max(flops / seconds / flops_, bytes / seconds / bandwidth(bytes));
  }

 private:
  const Request& request_;
  bool host_ = false;
  double flops_ = 0, bandwidth_ = 0;
  std::map<int, double> by_size_;  // of a CPU: by the working set's power of two
};

// std::invalid_argument where there are none.
std::vector<bench::StepKernel> kernels_of(const Request& request, const kernels::Backend& backend) {
  std::vector<bench::StepKernel> chosen;
  if (request.ladder > 0) return bench::ladder_kernels(request.ladder, backend);
  if (!request.step.empty()) {
    const Precision precision = request.real() == kernels::DType::bf16 ? Precision::bf16 : Precision::fp32;
    std::vector<bench::StepKernel> all =
        bench::kernels_of_step(require_network(request.step), request.batch, precision, backend);
    std::vector<const cases::SlotCase*> among;
    for (const bench::StepKernel& kernel : all) among.push_back(&kernel.slot_case);
    cases::require_matches(request.pattern, among);
    for (bench::StepKernel& kernel : all)
      if (cases::matches(kernel.slot_case, request.pattern)) chosen.push_back(std::move(kernel));
    return chosen;
  }
  for (cases::SlotCase& one : cases::slot_cases(request.pattern, cases::Size::bench))
    if (request.all || one.size == cases::Size::bench) chosen.push_back({std::move(one), 0});
  if (chosen.empty())
    throw std::invalid_argument("only small cases match '" + request.pattern + "', none made for benchmarks: --all");
  return chosen;
}

// Slots in which `backend` has a kernel other than `first`'s.
std::vector<std::string> replaced_slots(const kernels::Backend& first, const kernels::Backend& backend) {
  std::vector<std::string> names;
  kernels::for_each_slot(backend, [&](const auto& slot) {
    if (slot && !cases::same_kernel(slot.name, first, backend)) names.push_back(slot.name);
  });
  return names;
}

// By the names of the backends that have a kernel of their own.
struct Measured {
  std::map<std::string, std::vector<double>> seconds;  // of one call each
  std::map<std::string, double> errors;                // with --compare
};

// Of what each timer's kernel gives; none where there is no such kernel in float32 to compare with.
std::map<std::string, double> errors_of(const Request& request, const cases::SlotCase& slot_case,
                                        const kernels::Backend& own,
                                        const std::vector<std::unique_ptr<bench::CaseTimer>>& timers) {
  std::map<std::string, double> errors;
  try {
    const cases::Outputs expected = bench::float32_outputs(slot_case, own, request.threads, request.real());
    for (const auto& timer : timers) errors[timer->backend_name()] = bench::disagreement(timer->outputs(), expected);
  } catch (const kernels::MissingKernel&) {
    errors.clear();
  }
  return errors;
}

// Groups of calls, in turn.
Measured measure(const Request& request, const bench::StepKernel& kernel,
                 const std::vector<const kernels::Backend*>& backends) {
  const cases::SlotCase& slot_case = kernel.slot_case;
  const auto contents = std::make_shared<const cases::Contents>(cases::contents(slot_case, request.real(), false));
  std::vector<std::unique_ptr<bench::CaseTimer>> timers;
  for (auto at = backends.begin(); at != backends.end(); ++at) {
    const kernels::Backend* const backend = *at;
    const bool timed = std::any_of(backends.begin(), at, [&](const kernels::Backend* earlier) {
      return cases::same_kernel(slot_case.slot, *earlier, *backend);
    });
    if (timed || (kernel.ours_alone && !timers.empty()) || !cases::has_kernel(slot_case, *backend)) continue;
    const double working_set = request.working_set >= 0 ? request.working_set : backend->gpu ? 256e6 : 0;
    timers.push_back(std::make_unique<bench::CaseTimer>(slot_case, *backend, request.options(*backend), request.real(),
                                                        contents, working_set));
  }
  Measured measured;
  const double begin = bench::now();
  for (int round = 0; !timers.empty() && (round < 5 || bench::now() - begin < request.seconds); ++round)
    for (const auto& timer : timers) measured.seconds[timer->backend_name()].push_back(timer->sample());
  if (request.compare && !timers.empty()) measured.errors = errors_of(request, slot_case, *backends.front(), timers);
  return measured;
}

void print_json(const bench::StepKernel& kernel, const Request& request, const Measured& measured) {
  std::printf("%s\n", Json{{"slot", kernel.slot_case.slot},
                           {"variant", kernel.slot_case.variant},
                           {"calls", kernel.calls},
                           {"flops", kernel.slot_case.flops},
                           {"bytes", bench::bytes_of(kernel.slot_case, request.real())},
                           {"seconds", measured.seconds},
                           {"errors", measured.errors}}
                          .dump()
                          .c_str());
}

void print_line(const bench::StepKernel& kernel, const Request& request, Peak& peak, const std::string& backend,
                std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  const double median = samples[samples.size() / 2], flops = kernel.slot_case.flops,
               bytes = bench::bytes_of(kernel.slot_case, request.real());
  std::printf("%-72s %-9s %10.1f %7.0f %9.1f %8.1f %6.0f%%\n", kernel.slot_case.name().c_str(), backend.c_str(),
              median * 1e6, 100 * (samples.back() - samples.front()) / (2 * median), flops / median / 1e9,
              bytes / median / 1e9, 100 * peak.share(flops, bytes, median));
}

void run(const Request& request) {
  const std::vector<const kernels::Backend*> backends = open_backends(request.backends);
  const std::vector<bench::StepKernel> chosen =
      request.peaks_only ? std::vector<bench::StepKernel>{} : kernels_of(request, *backends.front());
  const kernels::Backend& last = *backends.back();
  Peak peak(request, last);
  const kernels::DeviceInfo info = last.runtime.device_info(0);
  if (request.json)
    std::printf("%s\n", Json{{"device", info.name},
                             {"detail", info.detail},
                             {"precision", request.precision},
                             {"peak_by", last.name},
                             {"replaced", replaced_slots(*backends.front(), last)},
                             {"peak_flops", peak.flops()},
                             {"peak_bandwidth", peak.bandwidth(256e6)}}
                            .dump()
                            .c_str());
  else
    std::printf("%s: %s, %d threads, measured peak %.0f GFLOP/s, memory %.1f GB/s\n\n%-72s %-9s %10s %7s %9s %8s %7s\n",
                last.name, info.name.c_str(), request.threads, peak.flops() / 1e9, peak.bandwidth(256e6) / 1e9, "case",
                "backend", "µs", "±%", "GFLOP/s", "GB/s", "share");
  for (const bench::StepKernel& kernel : chosen) {
    const Measured measured = measure(request, kernel, backends);
    if (request.json) {
      print_json(kernel, request, measured);
    } else {
      if (measured.seconds.empty()) std::printf("%-72s no such kernel\n", kernel.slot_case.name().c_str());
      for (const auto& [backend, seconds] : measured.seconds) print_line(kernel, request, peak, backend, seconds);
      for (const auto& [backend, error] : measured.errors)
        std::printf("%72s %-9s %.1e of the largest value from float32\n", "", backend.c_str(), error);
    }
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Times kernels, on the shapes of the slot cases or of a whole training step.", "bench_ops");
  Request request;
  app.add_option("PATTERN", request.pattern, "Slots or cases, as in conv2d*; several with commas; default: all");
  app.add_option("--backend", request.backends, "cpu, reference, emulated, cuda or vendor; several take turns: cuda,vendor")
      ->capture_default_str();
  app.add_option("--precision", request.precision, "Arithmetic")
      ->check(CLI::IsMember({"fp32", "tf32", "bf16"}))
      ->capture_default_str();
  app.add_option("--step", request.step, "The kernels of one training step of this network");
  app.add_option("--batch-size", request.batch, "With --step: images per step")->capture_default_str();
  app.add_option("--ladder", request.ladder,
                 "The rungs of kernels/cuda/ladder.cu and matmul, on square matrices of this size");
  app.add_option("--threads", request.threads, "CPU threads")->capture_default_str();
  app.add_option("--seconds", request.seconds, "Time for each case, and at least five groups")->capture_default_str();
  app.add_option("--working-set", request.working_set,
                 "Bytes of operands gone round, so that caches do not help; default: 256 MB on a GPU, 0 elsewhere");
  app.add_option("--peak-size", request.peak_size,
                 "Size of the product that measures a device's peak; default: 8192; below 1024 also a small copy");
  app.add_flag("--peaks-only", request.peaks_only, "No kernel: only the device, its peaks, and what the backends differ in");
  app.add_flag("--all", request.all, "Small shapes too, not only those made for benchmarks");
  app.add_flag("--direct", request.direct, "No Winograd or other algorithm that gives up accuracy for speed");
  app.add_flag("--compare", request.compare,
               "Also how far each result is from the first backend's in float32 without tensor cores");
  app.add_flag("--json", request.json, "One JSON object a line: first the device, then each case with all its samples");
  CLI11_PARSE(app, argc, argv);
  try {
    run(request);
  } catch (const kernels::DeviceError& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 5;
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
  return 0;
}
