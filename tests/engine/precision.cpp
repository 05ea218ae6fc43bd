// Networks in bf16: float32 parameters with rounded copies, bf16 activations, nearly float32's results.
#include "engine/core/random.h"
#include "engine/train/evaluate.h"
#include "engine/train/train_step.h"
#include "tests/catch.h"
#include "tests/engine/devices.h"
#include "tests/engine/tiny_network.h"

using namespace tessera;
using namespace tessera::test;

namespace {

struct Run {
  std::vector<double> losses;
  std::vector<float> weights;
  Evaluation test;
  std::vector<kernels::bf16> rounded;
};

Run train(const std::string& backend, Precision precision, const OptimizerOptions& optimizer_config) {
  const std::shared_ptr<Device> device =
      Device::open({.device = backend, .options = {.threads = 2}, .precision = precision});
  TinyNetwork network;
  ParameterStore store(network, device, 6);
  const std::unique_ptr<Optimizer> optimizer = make_optimizer(optimizer_config, store);
  ImageBatches images(DeviceImages::upload(tiny_images(64, 1), device),
                      gather_params(Normalization::cifar10, Augmentation::none, 9));
  TrainStep step(network, store, *optimizer, images, {.seed = 6});
  Run run;
  for (std::int64_t i = 0; i < 24; ++i) {
    step.run({.step = i, .epoch = 0, .position = i % 4 * 16, .learning_rate = {learning_rate_of(optimizer_config)}}, 16);
    run.losses.push_back(step.batch_loss());
  }
  run.weights = store.values().to_host<float>();
  run.test = evaluate(network, images, {.batch_size = 32});
  if (store.rounded()) {
    run.rounded.resize(run.weights.size());
    store.rounded().copy_to(std::span<kernels::bf16>(run.rounded));
  }
  return run;
}

const OptimizerOptions adam = Adam::Options{.learning_rate = 3e-3};
const OptimizerOptions nesterov =
    Sgd::Options{.learning_rate = 0.02, .weight_decay = 5e-4, .momentum = 0.9, .nesterov = true};

}  // namespace

TEST_CASE("training in bf16 follows training in float32") {
  for (const OptimizerOptions& optimizer : {adam, nesterov}) {
    const Run exact = train("cpu", Precision::fp32, optimizer);
    REQUIRE(exact.losses.back() < 0.7 * exact.losses.front());
    for (const std::string& backend : fast_backends()) {
      INFO("backend " << backend);
      const Run run = train(backend, Precision::bf16, optimizer);
      // A step's loss inherits the roundings of all steps before it.
      for (std::size_t i = 0; i < run.losses.size(); ++i) {
        INFO("step " << i << ": " << run.losses[i] << ", in float32 " << exact.losses[i]);
        CHECK(std::abs(run.losses[i] - exact.losses[i]) < 0.05 * exact.losses.front());
      }
      CHECK(run.losses != exact.losses);  // it was in bf16
      CHECK(std::abs(run.test.loss - exact.test.loss) < 0.05 * exact.losses.front());
    }
  }
}

TEST_CASE("parameters stay float32, and their bf16 copies are those rounded") {
  for (const std::string& backend : fast_backends()) {
    INFO("backend " << backend);
    const Run run = train(backend, Precision::bf16, adam);
    REQUIRE(run.rounded.size() == run.weights.size());
    std::size_t finer = 0;
    for (std::size_t i = 0; i < run.weights.size(); ++i) {
      REQUIRE(run.rounded[i].bits == kernels::to_bf16(run.weights[i]).bits);
      finer += kernels::to_float(run.rounded[i]) != run.weights[i];
    }
    CHECK(finer > run.weights.size() / 4);
    CHECK(train(backend, Precision::fp32, adam).rounded.empty());
  }
}

TEST_CASE("what was put into the parameters by hand reaches the copies") {
  const std::shared_ptr<Device> device = Device::open({.device = "cpu", .precision = Precision::bf16});
  TinyNetwork network;
  ParameterStore store(network, device, 6);
  const std::vector<float> values(static_cast<std::size_t>(store.values().count()), 0.1f);
  store.values().copy_from(std::span<const float>(values));
  store.values_changed();
  CHECK(store.rounded().to_host<kernels::bf16>().front().bits == kernels::to_bf16(0.1f).bits);
}

TEST_CASE("TF32 follows float32 where there are tensor cores, and is refused elsewhere") {
  CHECK_THROWS_WITH(Device::open({.device = "cpu", .precision = Precision::tf32}),
                    Catch::Contains("tf32") && Catch::Contains("cpu"));
  const Run exact = train(test_gpu(), Precision::fp32, nesterov), run = train(test_gpu(), Precision::tf32, nesterov);
  for (std::size_t i = 0; i < run.losses.size(); ++i)
    CHECK(std::abs(run.losses[i] - exact.losses[i]) < 0.01 * exact.losses.front());
  CHECK(run.losses != exact.losses);
}
