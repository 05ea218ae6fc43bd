#include "kernels/vendor/plan.h"

#include <algorithm>
#include <cstdint>

#include "kernels/errors.h"

namespace tessera::kernels::vendor {
namespace {

std::vector<Descriptor> make(const Cudnn& cudnn, cudnnBackendDescriptorType_t type, std::size_t count) {
  std::vector<Descriptor> all;
  all.reserve(count);
  for (std::size_t i = 0; i < count; ++i) all.emplace_back(cudnn, type);
  return all;
}

// Engine configurations of one list of the heuristics, the most promising first; none where it has none for this graph.
std::vector<Descriptor> configurations(const Target& target, const Graph& graph, cudnnBackendHeurMode_t mode) {
  Descriptor heuristics(target.cudnn, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph.operations).set(CUDNN_ATTR_ENGINEHEUR_MODE, mode);
  if (target.device) heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *target.device);
  if (!heuristics.try_finalize()) return {};
  constexpr std::size_t most = 64;
  std::vector<Descriptor> all = make(target.cudnn, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, most);
  const std::size_t count = heuristics.get(CUDNN_ATTR_ENGINEHEUR_RESULTS, all);
  while (all.size() > count) all.pop_back();
  return all;
}

// A way that the heuristics list, before anything has been compiled for it.
struct Candidate {
  std::string name;
  bool allowed, compiled_at_run_time;
};

Candidate candidate_of(const Cudnn& cudnn, const Problem& problem, const Descriptor& configuration) {
  std::vector<Descriptor> engine = make(cudnn, CUDNN_BACKEND_ENGINE_DESCRIPTOR, 1);
  if (configuration.get(CUDNN_ATTR_ENGINECFG_ENGINE, engine) != 1)
    throw DeviceError("cuDNN: a configuration without an engine");
  std::string name = "engine" + std::to_string(engine[0].get<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, 1).at(0));
  std::vector<Descriptor> choices = make(cudnn, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, CUDNN_KNOB_TYPE_COUNTS);
  const std::size_t count = configuration.get(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, choices);
  for (std::size_t i = 0; i < count; ++i)
    name += "/" + std::to_string(choices[i].get<cudnnBackendKnobType_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, 1).at(0)) + "=" +
            std::to_string(choices[i].get<std::int64_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, 1).at(0));
  const auto numerical =
      engine[0].get<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  const auto behaviour =
      engine[0].get<cudnnBackendBehaviorNote_t>(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_BEHAVIOR_NOTE_TYPE_COUNT);
  return {.name = std::move(name),
          .allowed = std::ranges::all_of(numerical, problem.allows),
          .compiled_at_run_time = std::ranges::count(behaviour, CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION) > 0};
}

// Plans of the candidates that `wanted` wants, until it has `limits`.
std::vector<Plan> build(const Target& target, const Problem& problem, const PlanLimits& limits,
                        const std::function<bool(const Candidate&)>& wanted) {
  std::vector<Plan> plans;
  std::size_t compiled_at_run_time = 0;
  const Graph graph = problem.graph(target);
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK})
    for (const Descriptor& configuration : configurations(target, graph, mode)) {
      if (plans.size() >= limits.plans) return plans;
      const Candidate candidate = candidate_of(target.cudnn, problem, configuration);
      const auto same = [&](const Plan& plan) { return plan.name() == candidate.name; };
      if (!candidate.allowed || !wanted(candidate) || std::ranges::any_of(plans, same)) continue;
      if (candidate.compiled_at_run_time && compiled_at_run_time >= limits.compiled_at_run_time) continue;
      Descriptor plan(target.cudnn, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
      plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
      if (target.handle) plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, target.handle);
      if (target.device) plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *target.device);
      if (!plan.try_finalize()) continue;
      const auto bytes = static_cast<std::size_t>(plan.get<std::int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, 1).at(0));
      if (bytes > limits.workspace_bytes) continue;
      compiled_at_run_time += candidate.compiled_at_run_time;
      plans.emplace_back(candidate.name, bytes, std::move(plan));
    }
  return plans;
}

std::optional<Plan> only(std::vector<Plan> plans) {
  return plans.empty() ? std::nullopt : std::optional<Plan>(std::move(plans.front()));
}

}  // namespace

int alignment_of(const Operands& operands) {
  std::uintptr_t bits = 16;
  for (const auto& operand : operands) bits |= reinterpret_cast<std::uintptr_t>(operand.second);
  return static_cast<int>(bits & (~bits + 1));
}

std::vector<Plan> plans_for(const Target& target, const Problem& problem, const PlanLimits& limits) {
  return build(target, problem, limits, [](const Candidate&) { return true; });
}

std::optional<Plan> first_plan(const Target& target, const Problem& problem) {
  return only(plans_for(target, problem, {.plans = 1}));
}

std::optional<Plan> plan_named(const Target& target, const Problem& problem, const std::string& name) {
  return only(build(target, problem, {.plans = 1}, [&](const Candidate& candidate) { return candidate.name == name; }));
}

void Plan::run(const Cudnn& cudnn, cudnnHandle_t handle, const Operands& operands, void* workspace) const {
  std::vector<std::int64_t> names;
  std::vector<void*> addresses;
  for (const auto& [name, address] : operands) {
    names.push_back(static_cast<std::int64_t>(name));
    addresses.push_back(const_cast<void*>(address));  // the interface has one kind of pointer for inputs and outputs
  }
  Descriptor pack(cudnn, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, std::span<const std::int64_t>(names))
      .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, std::span<void* const>(addresses))
      .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, workspace)
      .finalize();
  cudnn.check(cudnn.cudnnBackendExecute(handle, plan_.raw(), pack.raw()), "running " + name_);
}

}  // namespace tessera::kernels::vendor
