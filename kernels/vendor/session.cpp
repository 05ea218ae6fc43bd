#include "kernels/vendor/session.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <utility>

#include "kernels/errors.h"

namespace tessera::kernels::vendor {
namespace {

constexpr std::size_t cublas_workspace = std::size_t{32}
                                         << 20;  // what NVIDIA recommends for Hopper and later; others use less
constexpr const char* own_name = "own";

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw DeviceError(std::string("cuda: ") + what + " failed: " + cudaGetErrorString(error));
}

void forbid_recording(cudaStream_t stream, const std::string& key) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(stream, &status), "asking whether a stream is recorded");
  if (status != cudaStreamCaptureStatusNone)
    throw DeviceError("a step that is being recorded meets '" + key +
                      "' for the first time, for which a plan has still to be chosen: run the step once before");
}

struct SearchBytes {
  std::size_t result, workspace;
};

// Name of the fastest of the ways that `make` makes from the memory for their results and workspaces; empty where the device
// has not so much.
std::string search_with_memory(Stream& stream, SearchBytes bytes,
                               const std::function<std::vector<Way>(void* result, void* workspace)>& make) {
  try {
    const Scratch result(stream.backend.runtime, stream.device, bytes.result);
    const Scratch workspace(stream.backend.runtime, stream.device, bytes.workspace);
    const std::vector<Way> ways = make(result.data(), workspace.data());
    return ways[fastest(stream, ways)].name;
  } catch (const OutOfMemory&) {
    return "";
  }
}

bool searches(const Options& options) { return options.search != Search::off && !options.deterministic; }

}  // namespace

Session& Session::of(Stream& stream) {
  if (!stream.library) stream.library = std::make_shared<Session>(stream);
  Session& session = *static_cast<Session*>(stream.library.get());
  check(cudaSetDevice(session.cuda_device_), "choosing a device");
  return session;
}

// cuBLAS's workspace tells which device the stream's is in CUDA's own numbering.
Session::Session(Stream& stream)
    : stream_(static_cast<cudaStream_t>(stream.native)),
      cublas_workspace_(std::make_unique<Scratch>(stream.backend.runtime, stream.device, cublas_workspace)) {
  cudaPointerAttributes attributes{};
  check(cudaPointerGetAttributes(&attributes, cublas_workspace_->data()), "asking for a pointer's device");
  cuda_device_ = attributes.device;
}

Session::~Session() {
  plans_.clear();
  if (cudnn_) (void)cudnn().cudnnDestroy(cudnn_);
  if (cublas_) (void)cublas().cublasDestroy_v2(cublas_);
}

cudnnHandle_t Session::cudnn_handle() {
  if (!cudnn_) {
    cudnn().check(cudnn().cudnnCreate(&cudnn_), "creating a handle");
    cudnn().check(cudnn().cudnnSetStream(cudnn_, stream_), "setting the stream");
  }
  return cudnn_;
}

cublasHandle_t Session::cublas_handle() {
  if (!cublas_) {
    const Cublas& b = cublas();
    b.check(b.cublasCreate_v2(&cublas_), "creating a handle");
    b.check(b.cublasSetStream_v2(cublas_, stream_), "setting the stream");
    // After the stream, which resets it. A workspace of our own: cuBLAS must not allocate while a step is recorded, and
    // with one workspace for one stream its results are the same bits every time.
    b.check(b.cublasSetWorkspace_v2(cublas_, cublas_workspace_->data(), cublas_workspace), "setting the workspace");
    b.check(b.cublasSetMathMode(
                cublas_, static_cast<cublasMath_t>(CUBLAS_DEFAULT_MATH | CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION)),
            "setting the arithmetic");
  }
  return cublas_;
}

PlanCache& Session::cache(Stream& stream) {
  if (!cache_) {
    const DeviceInfo info = stream.backend.runtime.device_info(stream.device);
    const std::string identity = info.name + ", cuDNN " + cudnn().version() + ", cuBLAS " + cublas().version();
    cache_ = std::make_unique<PlanCache>(plan_cache_file(identity), identity);
  }
  return *cache_;
}

void Session::run(const Plan& plan, const Operands& operands, void* workspace) {
  plan.run(cudnn(), cudnn_handle(), operands, workspace);
}

template <class Choose>
const Plan* Session::chosen(const std::string& key, const Choose& choose) {
  auto found = plans_.find(key);
  if (found == plans_.end()) {
    forbid_recording(stream_, key);
    found = plans_.emplace(key, choose()).first;
  }
  return found->second ? &*found->second : nullptr;
}

const Plan* Session::plan(Stream& stream, const Problem& problem, const Trial& trial) {
  return chosen(problem.key, [&] { return choose(stream, problem, trial); });
}

const Plan* Session::first_plan(const Problem& problem) {
  return chosen(problem.key, [&] { return vendor::first_plan(target(), problem); });
}

std::optional<Plan> Session::choose(Stream& stream, const Problem& problem, const Trial& trial) {
  if (!searches(stream.options)) return vendor::first_plan(target(), problem);
  const bool own = stream.options.search == Search::library_and_own;
  const std::string key = problem.key + (own ? "/own" : "");
  if (const std::optional<std::string> name = cache(stream).find(key)) {
    if (own && *name == own_name) return std::nullopt;
    if (std::optional<Plan> plan = plan_named(target(), problem, *name)) return plan;
  }

  std::vector<Plan> plans = plans_for(target(), problem, {});
  if (plans.empty()) return std::nullopt;
  std::string name;
  if (plans.size() == 1 && !own) {
    name = plans.front().name();
  } else {
    std::size_t workspace_bytes = 1;
    for (const Plan& plan : plans) workspace_bytes = std::max(workspace_bytes, plan.workspace_bytes());
    name = search_with_memory(stream, {trial.result_bytes, workspace_bytes}, [&](void* result, void* workspace) {
      std::vector<Way> ways;
      for (const Plan& plan : plans)
        ways.push_back({plan.name(), [&, result, workspace] { trial.plan(plan, result, workspace); }});
      if (own) ways.push_back({own_name, [&, result] { trial.own(result); }});
      return ways;
    });
    if (name.empty()) return std::move(plans.front());
  }
  cache(stream).store(key, name);
  if (name == own_name) return std::nullopt;
  return std::move(*std::ranges::find(plans, name, &Plan::name));
}

bool Session::choose_library(Stream& stream, const std::string& key, std::size_t result_bytes,
                             const std::function<void(void*)>& run_library, const std::function<void(void*)>& run_own) {
  if (!searches(stream.options) || stream.options.search != Search::library_and_own) return true;
  if (const auto found = choices_.find(key); found != choices_.end()) return found->second;
  forbid_recording(stream_, key);
  constexpr const char* library_name = "library";
  std::string name = cache(stream).find(key).value_or("");
  if (name != own_name && name != library_name) {
    name = search_with_memory(stream, {result_bytes, 1}, [&](void* result, void*) {
      return std::vector<Way>{{library_name, [&, result] { run_library(result); }},
                              {own_name, [&, result] { run_own(result); }}};
    });
    if (name.empty()) return choices_[key] = true;
    cache(stream).store(key, name);
  }
  return choices_[key] = name == library_name;
}

}  // namespace tessera::kernels::vendor
