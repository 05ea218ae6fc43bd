// cuDNN asked for plans of an H200, on any machine that has the library (described_gpu.h): for every convolution of the slot
// cases that its compiled-in engines know. (Those it compiles at run time: compiled_plans.cpp.)
#include "kernels/vendor/conv2d_graph.h"
#include "tests/catch.h"
#include "tests/vendor/described_gpu.h"
#include "tests/vendor/problems.h"

using namespace tessera;
using namespace tessera::kernels;
using namespace tessera::kernels::vendor;
using test::DescribedGpu;

namespace {

bool compiled_in(const Conv2dProblem& p) {
  const bool activation = p.activation != Activation::none;
  if (p.operation == Conv2dOperation::backward_weights) return p.type == DType::f32;
  if (p.operation == Conv2dOperation::backward_data || !(p.scale || p.shift || p.residual || activation)) return true;
  return p.type == DType::f32 && p.shift && !p.scale && p.activation != Activation::sigmoid;
}

}  // namespace

TEST_CASE("cuDNN has a plan for every convolution of the slot cases that its compiled-in engines know") {
  const DescribedGpu* gpu = DescribedGpu::get();
  if (!gpu) return;
  int asked = 0;
  for (DType type : {DType::f32, DType::bf16})
    for (const test::NotedProblem& noted : test::convolutions(type)) {
      Conv2dProblem problem = noted.problem;
      if (!compiled_in(problem)) continue;
      for (bool unaligned : {false, true}) {
        if (unaligned && asked % 8 != 0) continue;
        problem.alignment = unaligned ? static_cast<int>(size_of(type)) : 16;
        problem.direct = unaligned;
        INFO(noted.name << ": " << key_of(problem));
        const std::vector<Plan> plans = plans_for(gpu->target(), problem_of(problem), {.plans = 2});
        CHECK_FALSE(plans.empty());
        if (plans.size() == 2) CHECK(plans[0].name() != plans[1].name());
      }
      ++asked;
    }
  CHECK(asked > 200);
}

TEST_CASE("the limits of a request for plans hold") {
  const DescribedGpu* gpu = DescribedGpu::get();
  if (!gpu) return;
  Conv2dProblem problem{.operation = Conv2dOperation::forward,
                        .shape = {.n = 32,
                                  .h = 32,
                                  .w = 32,
                                  .c = 64,
                                  .k = 64,
                                  .r = 3,
                                  .s = 3,
                                  .p = 32,
                                  .q = 32,
                                  .stride = 1,
                                  .pad_top = 1,
                                  .pad_left = 1},
                        .type = DType::f32,
                        .result = DType::f32};
  constexpr std::size_t much = PlanLimits{}.workspace_bytes;
  const auto names = [&](std::size_t most, std::size_t limit) {
    std::vector<std::string> all;
    for (const Plan& plan : plans_for(gpu->target(), problem_of(problem), {.plans = most, .workspace_bytes = limit})) {
      CHECK(plan.workspace_bytes() <= limit);
      all.push_back(plan.name());
    }
    return all;
  };
  const std::vector<std::string> all = names(24, much);
  REQUIRE(all.size() > 2);
  CHECK(names(24, much) == all);  // the same names every time: that is what a cache relies on
  CHECK(names(2, much) == std::vector<std::string>(all.begin(), all.begin() + 2));
  // A name brings that plan back, made alone; a name that is unknown brings none.
  for (const std::string& name : all) {
    const std::optional<Plan> plan = plan_named(gpu->target(), problem_of(problem), name);
    REQUIRE(plan.has_value());
    CHECK(plan->name() == name);
  }
  CHECK_FALSE(plan_named(gpu->target(), problem_of(problem), "engine0/99=1").has_value());
  CHECK(first_plan(gpu->target(), problem_of(problem))->name() == all[0]);
  const std::vector<std::string> small = names(24, 0);
  CHECK(small.size() < all.size());
  // Permission to round to TF32 brings tensor cores, which float32 must not get.
  problem.tf32 = true;
  CHECK(names(24, much).size() > all.size());
  // No Winograd: engines drop out, none is new.
  problem.tf32 = false, problem.direct = true;
  for (const std::string& name : names(24, much)) CHECK(std::count(all.begin(), all.end(), name) == 1);
}

TEST_CASE("cuDNN's refusals name what it refused") {
  const DescribedGpu* gpu = DescribedGpu::get();
  if (!gpu) return;
  Descriptor tensor(gpu->target().cudnn, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  CHECK_THROWS_WITH(tensor.finalize(), Catch::Contains("finalizing a descriptor failed: CUDNN_STATUS_BAD_PARAM"));
  CHECK_FALSE(tensor.try_finalize());
}
