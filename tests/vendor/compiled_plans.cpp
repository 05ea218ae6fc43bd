// cuDNN asked for plans that it compiles at run time, of an H200 (described_gpu.h): every class of batch norm and pooling
// that the overlay serves, epilogues in bf16, float32 gradients of bf16 filters. One plan takes a third of a second or more,
// so these are chosen shapes: of the layers of LeNet, AlexNet, VGG16, Inception and ResNet-18.
//
//   tests_vendor "[.long]"   counts what a first training step of ResNet-18 compiles
#include <ctime>
#include <iostream>
#include <set>

#include "kernels/vendor/batch_norm_graph.h"
#include "kernels/vendor/conv2d_graph.h"
#include "kernels/vendor/max_pool_graph.h"
#include "tests/catch.h"
#include "tests/vendor/described_gpu.h"
#include "tests/vendor/network_problems.h"

using namespace tessera;
using namespace tessera::kernels;
using namespace tessera::kernels::vendor;
using test::DescribedGpu;

namespace {

const DescribedGpu* compiler() {
  const DescribedGpu* gpu = DescribedGpu::get();
  return gpu && gpu->compiles() ? gpu : nullptr;
}

Conv2dShape conv2d(std::int64_t n, std::int64_t size, std::int64_t c, std::int64_t k, std::int64_t r, std::int64_t stride,
                   std::int64_t pad) {
  const std::int64_t out = (size + 2 * pad - r) / stride + 1;
  return {.n = n,
          .h = size,
          .w = size,
          .c = c,
          .k = k,
          .r = r,
          .s = r,
          .p = out,
          .q = out,
          .stride = stride,
          .pad_top = pad,
          .pad_left = pad};
}

Pool2dShape pool(std::int64_t n, std::int64_t size, std::int64_t c, std::int64_t r, std::int64_t stride, std::int64_t out,
                 std::int64_t pad) {
  return {.n = n,
          .h = size,
          .w = size,
          .c = c,
          .r = r,
          .s = r,
          .p = out,
          .q = out,
          .stride = stride,
          .pad_top = pad,
          .pad_left = pad};
}

}  // namespace

TEST_CASE("cuDNN compiles a plan for every class of batch norm that is served") {
  const DescribedGpu* gpu = compiler();
  if (!gpu) return;
  using Operation = BatchNormOperation;
  for (DType type : {DType::f32, DType::bf16})
    for (const Extents& x : {Extents{512, 32, 32, 64}, Extents{128, 1, 1, 256}})
      for (BatchNormProblem problem :
           {BatchNormProblem{Operation::forward, x, type}, BatchNormProblem{Operation::forward, x, type, false, true},
            BatchNormProblem{Operation::forward, x, type, true, true}, BatchNormProblem{Operation::backward, x, type}}) {
        REQUIRE(serves(problem));
        INFO(key_of(problem));
        CHECK(first_plan(gpu->target(), problem_of(problem)).has_value());
      }
}

TEST_CASE("what batch norms leave to our kernels is what cuDNN has no plan for") {
  const DescribedGpu* gpu = compiler();
  if (!gpu) return;
  for (const BatchNormProblem& problem :
       {BatchNormProblem{BatchNormOperation::forward, {128, 16, 16, 64}, DType::f32, true, false},
        BatchNormProblem{BatchNormOperation::forward, {128, 16, 16, 6}, DType::f32},
        BatchNormProblem{BatchNormOperation::backward, {128, 16, 16, 4}, DType::bf16}}) {
    REQUIRE_FALSE(serves(problem));
    INFO(key_of(problem));
    CHECK_FALSE(first_plan(gpu->target(), problem_of(problem)).has_value());
  }
}

TEST_CASE("cuDNN compiles plans for max pooling, forth and back") {
  const DescribedGpu* gpu = compiler();
  if (!gpu) return;
  using Operation = MaxPoolOperation;
  for (DType type : {DType::f32, DType::bf16})
    for (const Pool2dShape& shape :
         {pool(256, 28, 6, 2, 2, 14, 0), pool(64, 55, 96, 3, 2, 27, 0), pool(64, 8, 32, 3, 1, 8, 1)})
      for (Operation operation : {Operation::forward, Operation::forward_with_index, Operation::backward}) {
        const MaxPoolProblem problem{operation, shape, type};
        REQUIRE(serves(problem));
        INFO(key_of(problem));
        CHECK(first_plan(gpu->target(), problem_of(problem)).has_value());
      }
  // Slices of tensors, aligned to their elements only.
  for (Operation operation : {Operation::forward_with_index, Operation::backward}) {
    const MaxPoolProblem problem{operation, pool(256, 28, 6, 2, 2, 14, 0), DType::bf16, 2};
    CHECK(first_plan(gpu->target(), problem_of(problem)).has_value());
  }
}

TEST_CASE("cuDNN compiles epilogues in bf16, every one that a layer folds") {
  const DescribedGpu* gpu = compiler();
  if (!gpu) return;
  std::vector<Conv2dProblem> epilogues(
      5, Conv2dProblem{
             .operation = Conv2dOperation::forward, .shape = {}, .type = DType::bf16, .result = DType::bf16, .shift = true});
  epilogues[1].activation = Activation::relu;
  epilogues[2].activation = Activation::sigmoid;
  epilogues[3].activation = Activation::relu, epilogues[3].scale = true;
  epilogues[4].activation = Activation::relu, epilogues[4].scale = epilogues[4].residual = true;
  for (const Conv2dShape& shape :
       {conv2d(64, 32, 64, 128, 3, 2, 1), conv2d(16, 224, 3, 64, 7, 2, 3), conv2d(256, 28, 1, 6, 5, 1, 2)})
    for (Conv2dProblem problem : epilogues) {
      problem.shape = shape;
      REQUIRE(serves(problem));
      INFO(key_of(problem));
      CHECK(first_plan(gpu->target(), problem_of(problem)).has_value());
    }
}

TEST_CASE("cuDNN compiles float32 gradients of bf16 filters, for an even number of input channels") {
  const DescribedGpu* gpu = compiler();
  if (!gpu) return;
  const auto has_plan = [&](const Conv2dShape& shape) {
    const Conv2dProblem problem{
        .operation = Conv2dOperation::backward_weights, .shape = shape, .type = DType::bf16, .result = DType::f32};
    REQUIRE(serves(problem));
    INFO(key_of(problem));
    return first_plan(gpu->target(), problem_of(problem)).has_value();
  };
  CHECK(has_plan(conv2d(64, 32, 64, 64, 3, 1, 1)));
  CHECK(has_plan(conv2d(64, 32, 64, 128, 1, 2, 0)));
  CHECK(has_plan(conv2d(256, 14, 6, 16, 5, 1, 0)));
  // A network's first layer: no engine, so these stay with our kernel.
  CHECK_FALSE(has_plan(conv2d(512, 32, 3, 64, 3, 1, 1)));
  CHECK_FALSE(has_plan(conv2d(256, 28, 1, 6, 5, 1, 2)));
}

TEST_CASE("a search makes few plans that are compiled at run time") {
  const DescribedGpu* gpu = compiler();
  if (!gpu) return;
  // cuDNN lists more than twenty configurations of this one, all of one engine.
  const Problem problem =
      problem_of(BatchNormProblem{.operation = BatchNormOperation::forward, .x = {128, 16, 16, 64}, .type = DType::f32});
  const int before = gpu->compilations();
  const std::vector<Plan> plans = plans_for(gpu->target(), problem, {});
  CHECK(plans.size() == PlanLimits{}.compiled_at_run_time);
  const int searched = gpu->compilations();
  // A name, as a cache has it, brings that plan back and compiles nothing else.
  const std::optional<Plan> last = plan_named(gpu->target(), problem, plans.back().name());
  REQUIRE(last.has_value());
  CHECK(last->name() == plans.back().name());
  if (searched > before) CHECK(gpu->compilations() - searched < searched - before);
}

TEST_CASE("what a first step of ResNet-18 in bf16 compiles", "[.long]") {
  const DescribedGpu* gpu = compiler();
  if (!gpu) return;
  const test::NetworkProblems asked = test::network_problems("resnet18", DType::bf16, 512);
  std::vector<Problem> problems;
  for (const auto& problem : asked.convolutions)
    if (serves(problem)) problems.push_back(problem_of(problem));
  for (const auto& problem : asked.batch_norms)
    if (serves(problem)) problems.push_back(problem_of(problem));
  for (const PlanLimits& limits : {PlanLimits{.plans = 1}, PlanLimits{}}) {
    const int before = gpu->compilations();
    const std::clock_t begin = std::clock();
    std::size_t plans = 0;
    std::set<std::string> keys;
    for (const Problem& problem : problems)
      if (keys.insert(problem.key).second) plans += plans_for(gpu->target(), problem, limits).size();
    const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    std::cout << keys.size() << " problems, at most " << limits.plans << " plans each: " << plans << " plans, "
              << gpu->compilations() - before << " compiled at run time, " << seconds << " s of one core\n";
    CHECK(plans >= keys.size() - 2);
  }
}
