// What a stream keeps for this overlay (Stream::library): the libraries' handles, bound to the stream, and the way chosen
// for each problem it has met.
//
// A way is chosen on the first call of its problem, that is while a step warms up, and stays: the same launches and the same
// workspace ever after, so a step can be recorded. A problem first met during a recording is an error. How it is chosen:
//   Options::search off, or deterministic    the first plan of cuDNN's heuristics; cuBLAS wherever it serves
//   Options::search library                   the fastest of cuDNN's plans, timed once
//   Options::search library_and_own           the fastest of those and our own kernel
// What a search finds is kept on disk (plan_cache.h), by GPU, versions of the libraries and problem. Where device memory has
// no room for one, the first choice is taken, and kept for this stream only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "kernels/backend.h"
#include "kernels/vendor/conv2d_plan.h"
#include "kernels/vendor/libraries.h"
#include "kernels/vendor/plan_cache.h"
#include "kernels/vendor/search.h"

namespace tessera::kernels::vendor {

class Session {
 public:
  // The stream's own, made on the first call; makes the stream's device the current one.
  static Session& of(Stream& stream);

  explicit Session(Stream& stream);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  cudnnHandle_t cudnn_handle();
  cublasHandle_t cublas_handle();

  // The plan for a problem; null where our own kernel is to compute it. The run functions are called by a search only, with
  // their results going to scratch memory.
  using RunPlan = std::function<void(const Conv2dPlan& plan, void* result, void* workspace)>;
  using RunOwn = std::function<void(void* result)>;
  const Conv2dPlan* conv2d_plan(Stream& stream, const Conv2dProblem& problem, std::size_t result_bytes,
                                const RunPlan& run_plan, const RunOwn& run_own);

  // Whether cuBLAS is to compute the problem of this key; the same rules.
  bool choose_library(Stream& stream, const std::string& key, std::size_t result_bytes, const RunOwn& run_library,
                      const RunOwn& run_own);

 private:
  PlanCache& cache(Stream& stream);
  std::optional<Conv2dPlan> choose(Stream& stream, const Conv2dProblem& problem, std::size_t result_bytes,
                                   const RunPlan& run_plan, const RunOwn& run_own);

  int cuda_device_ = 0;  // CUDA's own number of the stream's device
  cudaStream_t stream_;
  cudnnHandle_t cudnn_ = nullptr;
  cublasHandle_t cublas_ = nullptr;
  std::unique_ptr<Scratch> cublas_workspace_;
  std::unique_ptr<PlanCache> cache_;
  std::unordered_map<Conv2dProblem, std::optional<Conv2dPlan>, Conv2dProblemHash> plans_;
  std::unordered_map<std::string, bool> choices_;
};

}  // namespace tessera::kernels::vendor
