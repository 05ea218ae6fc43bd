// Plans: the ways cuDNN knows to compute one convolution, its own best guess first.
//
// The library's heuristics (mode A, then the fallback list) name engines; those whose numerical liberties the contract or
// the options forbid are left out, and those that it then cannot turn into a plan:
//   never          sums in an order that changes from call to call; accumulation below float32; Winograd tiles of 6×6 and
//   more float32        tensor cores and rounded inputs, unless Options::tf32 allows TF32 direct         Winograd and FFT
// Engines that the library compiles at run time (graphs that none of its compiled-in engines knows: an epilogue in bf16, dw
// in float32 from bf16 operands) need a driver and NVRTC, and some hundred milliseconds a plan.
// Source: cudnnBackendHeurMode_t, cudnnBackendNumericalNote_t, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR.
#pragma once

#include <span>
#include <string>
#include <utility>

#include "kernels/vendor/conv2d_graph.h"

namespace tessera::kernels::vendor {

class Conv2dPlan {
 public:
  Conv2dPlan(std::string name, std::size_t workspace_bytes, Descriptor plan)
      : name_(std::move(name)), workspace_bytes_(workspace_bytes), plan_(std::move(plan)) {}

  // The engine and its settings, "engine35/2=8/13=1": the same for the same library and device.
  const std::string& name() const { return name_; }
  std::size_t workspace_bytes() const { return workspace_bytes_; }

  // Issues the convolution to the handle's stream. `operands`: each of the graph's with its address.
  void run(const Cudnn& cudnn, cudnnHandle_t handle, std::span<const std::pair<Operand, const void*>> operands,
           void* workspace) const;

 private:
  std::string name_;
  std::size_t workspace_bytes_;
  Descriptor plan_;
};

// At most `most` plans, each needing at most `workspace_limit` bytes; none where cuDNN cannot compute the problem.
std::vector<Conv2dPlan> conv2d_plans(const Target& target, const Conv2dProblem& problem, std::size_t most,
                                     std::size_t workspace_limit);

}  // namespace tessera::kernels::vendor
