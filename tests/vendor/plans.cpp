// cuDNN asked for plans of an H200, on any machine that has the library: it makes them from a description of the GPU.
//
// The graphs are then known to be well-formed and the problems to have engines; what these compute, only a GPU can tell
// (tests/kernels runs every slot case on the backend `vendor` where there is one). Engines that cuDNN compiles at run time
// need a driver besides and are not counted on here: an epilogue in bf16, a float32 gradient of bf16 filters.
#include <iostream>

#include "kernels/errors.h"
#include "kernels/vendor/conv2d_plan.h"
#include "tests/catch.h"
#include "tests/vendor/problems.h"

using namespace tessera;
using namespace tessera::kernels;
using namespace tessera::kernels::vendor;

namespace {

// As cuDNN writes it for the attribute CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION.
constexpr std::string_view h200 =
    R"({"deviceName":"NVIDIA H200","cudaDeviceId":0,"deviceVer":900,"driverVer":13000,"multiProcessorCount":132,)"
    R"("totalGlobalMem":150000000000,"maxGridSize":[2147483647,65535,65535],"maxBlockSize":[1024,1024,64],)"
    R"("regsPerBlock":65536,"warpSize":32,"maxSharedMemoryPerBlock":49152,"maxSharedMemoryPerBlockOptin":232448,)"
    R"("reservedSharedMemoryPerBlock":1024,"maxRegistersPerSM":65536,"maxCtasPerSM":32,"maxThreadsPerBlock":1024,)"
    R"("maxThreadsPerSM":2048,"pciDeviceId":0,"isTccDriver":0,"supportCoopLaunch":1,"smClockRateKHz":1980000,)"
    R"("memClockRateKHz":3201000,"l2CacheSize":62914560})";

const Cudnn* library() {
  try {
    return &cudnn();
  } catch (const DeviceError& error) {
    std::cout << "skipped: " << error.what() << "\n";
    return nullptr;
  }
}

bool compiled_in(const Conv2dProblem& p) {
  const bool activation = p.activation != Activation::none;
  if (p.operation == Conv2dOperation::backward_weights) return p.type == DType::f32;
  if (p.operation == Conv2dOperation::backward_data || !(p.scale || p.shift || p.residual || activation)) return true;
  return p.type == DType::f32 && p.shift && !p.scale && p.activation != Activation::sigmoid;
}

}  // namespace

TEST_CASE("cuDNN has a plan for every convolution of the slot cases that its compiled-in engines know") {
  const Cudnn* c = library();
  if (!c || c->cudnnGetVersion() < 90800) return;
  Descriptor device(*c, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  device.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, std::span<const char>(h200)).finalize();
  const Target target{.cudnn = *c, .device = &device};
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
        const std::vector<Conv2dPlan> plans = conv2d_plans(target, problem, 2, std::size_t{512} << 20);
        CHECK_FALSE(plans.empty());
        if (plans.size() == 2) CHECK(plans[0].name() != plans[1].name());
      }
      ++asked;
    }
  CHECK(asked > 200);
}

TEST_CASE("the limits of a request for plans hold") {
  const Cudnn* c = library();
  if (!c || c->cudnnGetVersion() < 90800) return;
  Descriptor device(*c, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  device.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, std::span<const char>(h200)).finalize();
  const Target target{.cudnn = *c, .device = &device};
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
  constexpr std::size_t much = std::size_t{512} << 20;
  const auto names = [&](std::size_t most, std::size_t limit) {
    std::vector<std::string> all;
    for (const Conv2dPlan& plan : conv2d_plans(target, problem, most, limit)) {
      CHECK(plan.workspace_bytes() <= limit);
      all.push_back(plan.name());
    }
    return all;
  };
  const std::vector<std::string> all = names(24, much);
  REQUIRE(all.size() > 2);
  CHECK(names(24, much) == all);  // the same names every time: that is what a cache relies on
  CHECK(names(2, much) == std::vector<std::string>(all.begin(), all.begin() + 2));
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
  const Cudnn* c = library();
  if (!c) return;
  Descriptor tensor(*c, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  CHECK_THROWS_WITH(tensor.finalize(), Catch::Contains("finalizing a descriptor failed: CUDNN_STATUS_BAD_PARAM"));
  CHECK_FALSE(tensor.try_finalize());
}
