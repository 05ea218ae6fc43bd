// Plans: the ways cuDNN knows to compute one graph, its own best guess first.
//
// The library's heuristics (mode A, then the fallback list) name engines with their settings; those whose numerical
// liberties the problem forbids are left out (Problem::allows), and those that it then cannot turn into a plan.
// Some engines are compiled in, others the library writes and compiles when the plan is made (NVRTC), each time anew: about
// 0.6 s of one core for a batch norm, 0.4 s for a pooling, 0.7 s for an epilogue in bf16, 1.3 s for dw in float32 from bf16
// (cuDNN 9.19, an AMD EPYC). ResNet-18 in bf16 has 25 such problems, 20 s of one core where every process
// makes one plan of each. All that the heuristics list (more than twenty for one batch norm) would take minutes, while they
// are settings of one kernel, which the library's order already ranks: a search tries two (PlanLimits).
// Source: cudnnBackendHeurMode_t, cudnnBackendNumericalNote_t, cudnnBackendBehaviorNote_t,
// CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "kernels/vendor/graph.h"

namespace tessera::kernels::vendor {

// An operand's address when a plan runs: of device memory, but of the host's for GraphBuilder::number, which must hold until
// run() returns.
using Operands = std::vector<std::pair<Operand, const void*>>;

// The largest power of two, at most 16, that divides every address.
int alignment_of(const Operands& operands);

// What cuDNN is asked to compute, whatever it is.
struct Problem {
  std::string key;                                          // equal problems have equal keys, and no others; no blanks
  std::function<Graph(const Target&)> graph;                // throws DeviceError where cuDNN refuses it
  std::function<bool(cudnnBackendNumericalNote_t)> allows;  // whether an engine of this note may compute it
};

class Plan {
 public:
  Plan(std::string name, std::size_t workspace_bytes, Descriptor plan)
      : name_(std::move(name)), workspace_bytes_(workspace_bytes), plan_(std::move(plan)) {}

  // The engine and its settings, "engine35/2=8/13=1": the same for the same library and device.
  const std::string& name() const { return name_; }
  std::size_t workspace_bytes() const { return workspace_bytes_; }

  // Issues the computation to the handle's stream. `operands`: each of the graph's with its address.
  void run(const Cudnn& cudnn, cudnnHandle_t handle, const Operands& operands, void* workspace) const;

 private:
  std::string name_;
  std::size_t workspace_bytes_;
  Descriptor plan_;
};

struct PlanLimits {
  std::size_t plans = 24;
  std::size_t compiled_at_run_time = 2;                  // of those
  std::size_t workspace_bytes = std::size_t{512} << 20;  // of each
};

// In the heuristics' order; none where cuDNN cannot compute the problem.
std::vector<Plan> plans_for(const Target& target, const Problem& problem, const PlanLimits& limits);
// The first of those.
std::optional<Plan> first_plan(const Target& target, const Problem& problem);
// The one of that name: no other is made. None where the heuristics do not list it.
std::optional<Plan> plan_named(const Target& target, const Problem& problem, const std::string& name);

}  // namespace tessera::kernels::vendor
