// What a stream keeps for this overlay (Stream::library): the libraries' handles, bound to the stream, and the way chosen
// for each problem it has met.
//
// A way is chosen on the first call of its problem, that is while a step warms up, and stays: the same launches and the same
// workspace ever after, so a step can be recorded. A problem first met during a recording is an error. How it is chosen:
//   Options::search off, or deterministic    the first plan of cuDNN's heuristics; cuBLAS wherever it serves
//   Options::search library                   the fastest of cuDNN's plans, timed once
//   Options::search library_and_own           the fastest of those and our own kernel
// What a search finds is kept on disk (plan_cache.h), by GPU, versions of the libraries and problem; what is found there is
// made alone, no other plan beside it. Where device memory has no room for a search, the first choice is taken, and kept for
// this stream only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "kernels/backend.h"
#include "kernels/vendor/libraries.h"
#include "kernels/vendor/plan.h"
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

  // How a search runs the ways to compute a problem: with their results in scratch memory. own: for library_and_own only.
  struct Trial {
    std::size_t result_bytes;
    std::function<void(const Plan& plan, void* result, void* workspace)> plan;
    std::function<void(void* result)> own = nullptr;
  };

  // The plan for a problem; null where our own kernel is to compute it.
  const Plan* plan(Stream& stream, const Problem& problem, const Trial& trial);
  // The first plan of the heuristics, never timed; null where there is none.
  const Plan* first_plan(const Problem& problem);
  void run(const Plan& plan, const Operands& operands, void* workspace);

  // Whether cuBLAS is to compute the problem of this key; the same rules.
  bool choose_library(Stream& stream, const std::string& key, std::size_t result_bytes,
                      const std::function<void(void* result)>& run_library,
                      const std::function<void(void* result)>& run_own);

 private:
  PlanCache& cache(Stream& stream);
  Target target() { return {.cudnn = cudnn(), .handle = cudnn_handle()}; }
  template <class Choose>
  const Plan* chosen(const std::string& key, const Choose& choose);
  std::optional<Plan> choose(Stream& stream, const Problem& problem, const Trial& trial);

  int cuda_device_ = 0;  // CUDA's own number of the stream's device
  cudaStream_t stream_;
  cudnnHandle_t cudnn_ = nullptr;
  cublasHandle_t cublas_ = nullptr;
  std::unique_ptr<Scratch> cublas_workspace_;
  std::unique_ptr<PlanCache> cache_;
  std::unordered_map<std::string, std::optional<Plan>> plans_;  // by the problems' keys
  std::unordered_map<std::string, bool> choices_;
};

}  // namespace tessera::kernels::vendor
