// The kernels of a step as benchmarks time them: that they are the step's, each as often as it is called, and that calling
// them does what the slot says.
#include "bench/recorded_step.h"

#include <map>

#include "kernels/backends.h"
#include "tests/catch.h"

using namespace tessera;

namespace {

std::map<std::string, int> calls_of(const char* network, const char* backend) {
  REQUIRE(kernels::find_backend(backend));
  std::map<std::string, int> calls;
  for (const bench::StepKernel& kernel :
       bench::kernels_of_step(require_network(network), 2, Precision::bf16, *kernels::find_backend(backend)))
    calls[kernel.slot_case.slot] += kernel.calls;
  return calls;
}

}  // namespace

TEST_CASE("a recorded step: ResNet-18 has 20 convolutions, 20 batch norms and one update") {
  const auto fused = calls_of("resnet18", "emulated"), plain = calls_of("resnet18", "cpu");
  CHECK(fused.at("conv2d_forward_statistics") == 20);
  CHECK(fused.at("conv2d_forward") == 0);  // listed beside it for libraries, called never
  CHECK(plain.at("conv2d_forward") == 20);
  CHECK(!plain.contains("conv2d_forward_statistics"));
  const std::map<std::string, int> both[] = {fused, plain};
  for (const auto& calls : both) {
    CHECK(calls.at("batch_norm_training") == 20);
    CHECK(calls.at("batch_norm_backward") == 20);
    CHECK(calls.at("conv2d_backward_weights") == 20);
    CHECK(calls.at("conv2d_backward_data") == 19);  // the images want no gradient
    const bool at_once = calls.contains("linear_backward");
    CHECK(at_once == (&calls == &both[0]));
    CHECK(calls.at("matmul") == (at_once ? 1 : 3));
    CHECK(calls.at("gather_batch") == 1);
    CHECK(calls.at("adam_step") + (calls.contains("sgd_step") ? calls.at("sgd_step") : 0) == 1);
  }
}

TEST_CASE("a recorded step: its cases agree with the reference") {
  const kernels::Backend& cpu = *kernels::find_backend("cpu");
  for (const char* network : {"lenet5_relu", "resnet_mini", "inception10"})
    for (bench::StepKernel& kernel : bench::kernels_of_step(require_network(network), 2, Precision::fp32, cpu)) {
      cases::SlotCase& one = kernel.slot_case;
      INFO(network << ": " << one.name());
      CHECK(kernel.calls > 0);
      one.tolerance = 1e-4;  // long sums of float32
      CHECK(cases::compare(one, cases::run(one, cpu, kernels::DType::f32), cases::expected(one, kernels::DType::f32)) == "");
    }
}
