#include "kernels/vendor/conv2d_plan.h"

#include <algorithm>

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

bool allowed(const Conv2dProblem& problem, cudnnBackendNumericalNote_t note) {
  switch (note) {
    case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
    case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13: return false;
    case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
    case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS: return problem.type != DType::f32 || problem.tf32;
    case CUDNN_NUMERICAL_NOTE_FFT:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4: return !problem.direct;
    default: return true;
  }
}

struct Engine {
  std::string name;
  bool allowed;
};

Engine engine_of(const Cudnn& cudnn, const Conv2dProblem& problem, const Descriptor& configuration) {
  std::vector<Descriptor> engine = make(cudnn, CUDNN_BACKEND_ENGINE_DESCRIPTOR, 1);
  if (configuration.get(CUDNN_ATTR_ENGINECFG_ENGINE, engine) != 1)
    throw DeviceError("cuDNN: a configuration without an engine");
  std::string name = "engine" + std::to_string(engine[0].get<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, 1).at(0));
  std::vector<Descriptor> choices = make(cudnn, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, CUDNN_KNOB_TYPE_COUNTS);
  const std::size_t count = configuration.get(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, choices);
  for (std::size_t i = 0; i < count; ++i)
    name += "/" + std::to_string(choices[i].get<cudnnBackendKnobType_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, 1).at(0)) + "=" +
            std::to_string(choices[i].get<std::int64_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, 1).at(0));
  const auto notes =
      engine[0].get<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  return {std::move(name), std::ranges::all_of(notes, [&](auto note) { return allowed(problem, note); })};
}

}  // namespace

std::vector<Conv2dPlan> conv2d_plans(const Target& target, const Conv2dProblem& problem, std::size_t most,
                                     std::size_t workspace_limit) {
  std::vector<Conv2dPlan> plans;
  const Graph graph = build_graph(target, problem);
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK})
    for (const Descriptor& configuration : configurations(target, graph, mode)) {
      if (plans.size() >= most) return plans;
      const Engine engine = engine_of(target.cudnn, problem, configuration);
      const auto same = [&](const Conv2dPlan& plan) { return plan.name() == engine.name; };
      if (!engine.allowed || std::ranges::any_of(plans, same)) continue;
      Descriptor plan(target.cudnn, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
      plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
      if (target.handle) plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, target.handle);
      if (target.device) plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *target.device);
      if (!plan.try_finalize()) continue;
      const auto bytes = static_cast<std::size_t>(plan.get<std::int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, 1).at(0));
      if (bytes <= workspace_limit) plans.emplace_back(engine.name, bytes, std::move(plan));
    }
  return plans;
}

void Conv2dPlan::run(const Cudnn& cudnn, cudnnHandle_t handle, std::span<const std::pair<Operand, const void*>> operands,
                     void* workspace) const {
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
