#include "tests/ptx/cudart/driver.h"

#include <cstdio>
#include <cstdlib>

namespace tessera::ptx {
namespace {

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value ? value : "";
}
bool is_set(const char* name) { return variable(name) == "1"; }

// Never destroyed: programs call the runtime from their own destructors.
Driver* the_driver = nullptr;
thread_local cudaError_t last = cudaSuccess;
thread_local int device = 0;

}  // namespace

Settings::Settings()
    : lazy(variable("PTX_LAZY") != "0"),
      faults_stay(variable("PTX_STICKY") != "0"),
      trace_calls(is_set("PTX_API")),
      refuse_host_copies(variable("PTX_HOST_COPIES") == "refuse"),
      statistics(is_set("PTX_STATISTICS")),
      coverage(variable("PTX_COVERAGE")) {
  machine.shared_races = is_set("PTX_RACE");
  machine.global_races = is_set("PTX_GLOBAL_RACE");
  machine.uninitialised = is_set("PTX_INIT");
  machine.early_copies = variable("PTX_COPIES") == "early";
  machine.truncating_mma = variable("PTX_MMA") == "truncate";
  machine.trace = is_set("PTX_TRACE");
  machine.order = static_cast<unsigned>(std::atoi(variable("PTX_ORDER").c_str()));
  if (const std::string count = variable("PTX_DEVICES"); count == "none")
    devices = -1;
  else if (!count.empty())
    devices = std::atoi(count.c_str());
}

Driver::Driver() : devices(settings.devices), machine(settings.machine) {
  const std::string fail = variable("PTX_FAIL");  // function:call:error
  const auto first = fail.find(':'), second = fail.rfind(':');
  if (first != std::string::npos && second > first)
    failure = {fail.substr(0, first), std::strtoull(fail.c_str() + first + 1, nullptr, 10),
               static_cast<cudaError_t>(std::atoi(fail.c_str() + second + 1))};
}

Driver& Driver::instance() {
  static const bool made = [] {
    the_driver = new Driver;
    std::atexit([] { report(*the_driver); });
    return true;
  }();
  (void)made;
  return *the_driver;
}

int& Driver::current_device() { return device; }

cudaError_t Driver::last_error(bool reset) {
  const std::lock_guard lock(mutex_);
  const cudaError_t error = last;
  if (reset) last = fault_;
  return error;
}

cudaError_t Driver::enter(const char* name, bool needs_device) {
  const u64 count = ++calls[name];
  if (settings.trace_calls) std::fprintf(stderr, "[ptx] %s\n", name);
  if (failure.function == name && count == failure.call) {
    std::fprintf(stderr, "[ptx] %s: call %llu made to fail\n", name, static_cast<unsigned long long>(count));
    return failure.error;
  }
  if (!needs_device) return cudaSuccess;
  if (devices <= 0) return devices < 0 ? cudaErrorInsufficientDriver : cudaErrorNoDevice;
  return fault_;
}

void Driver::recover() {
  const std::lock_guard lock(mutex_);
  fault_ = last = cudaSuccess;
  for (StreamState* s : streams) s->queue.clear(), s->capture.reset();
}

cudaError_t Driver::finish(cudaError_t result) {
  if (result != cudaSuccess) last = result;
  return result;
}

void Driver::execute(const Operation& operation) {
  if (fault_ != cudaSuccess) return;
  try {
    operation();
  } catch (const Fault& fault) {
    std::fprintf(stderr, "[ptx] FAULT %d: %s\n", fault.code, fault.what());
    const auto code = static_cast<cudaError_t>(fault.code);
    if (settings.faults_stay) fault_ = code;
    last = code;
    throw code;
  }
}

cudaError_t Driver::drain(StreamState& s) {
  cudaError_t result = cudaSuccess;
  while (!s.queue.empty()) {
    const Operation operation = std::move(s.queue.front());
    s.queue.pop_front();
    try {
      execute(operation);
    } catch (cudaError_t error) {
      if (result == cudaSuccess) result = error;
    }
  }
  return result != cudaSuccess ? result : fault_;
}

cudaError_t Driver::drain_all() {
  cudaError_t result = cudaSuccess;
  for (StreamState* s : streams)
    if (const cudaError_t error = drain(*s); error != cudaSuccess) result = error;
  return result;
}

StreamState* Driver::stream(cudaStream_t s) {
  if (!s) {
    machine.note("the default stream is used");
    streams.insert(&default_stream_);
    return &default_stream_;
  }
  auto* const state = reinterpret_cast<StreamState*>(s);
  if (streams.contains(state)) return state;
  machine.note("a stream that does not exist");
  return nullptr;
}

cudaError_t Driver::push(StreamState& s, Operation operation) {
  if (s.capture) {
    if (s.invalid) return cudaErrorStreamCaptureInvalidated;
    s.capture->nodes.push_back(std::move(operation));
    ++captured_nodes;
    return cudaSuccess;
  }
  s.queue.push_back(std::move(operation));
  return settings.lazy ? cudaSuccess : drain(s);
}

cudaError_t Driver::forbid_capture() {
  for (StreamState* s : streams) {
    const bool concerns_us = s->mode == cudaStreamCaptureModeGlobal ||
                             (s->mode == cudaStreamCaptureModeThreadLocal && s->thread == std::this_thread::get_id());
    if (!s->capture || !concerns_us) continue;
    s->invalid = true;
    return cudaErrorStreamCaptureUnsupported;
  }
  return cudaSuccess;
}

Function* Driver::function(const void* host) {
  const auto found = functions.find(host);
  if (found == functions.end()) return nullptr;
  Function& f = found->second;
  if (f.kernel) return &f;
  if (!f.binary->module) f.binary->module = f.binary->text.empty() ? std::make_unique<Module>() : parse(f.binary->text);
  const auto kernel = f.binary->module->kernels.find(f.name);
  if (kernel == f.binary->module->kernels.end()) return nullptr;
  f.kernel = kernel->second.get();
  return &f;
}

}  // namespace tessera::ptx
