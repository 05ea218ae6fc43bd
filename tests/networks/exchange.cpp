// Weights and another framework: a state of torchvision's resnet18 gives its logits here, and ours gives its logits there.
#include <cstring>

#include "engine/run/weights.h"
#include "models/saved_network.h"
#include "tests/catch.h"
#include "tests/networks/script.h"

using namespace tessera;

namespace {

std::vector<float> floats(const Safetensors& file, const std::string& name) {
  const TensorEntry& entry = file.at(name);
  REQUIRE(entry.dtype == ElementType::f32);
  std::vector<float> values(static_cast<std::size_t>(entry.count()));
  std::memcpy(values.data(), entry.bytes.data(), entry.bytes.size());
  return values;
}

void require_logits(Network& network, const Tensor& images, const std::vector<float>& expected) {
  const std::vector<float> logits = network.forward(Context{}, images).value().to_host<float>();
  REQUIRE(logits.size() == expected.size());
  for (std::size_t i = 0; i < logits.size(); ++i)
    if (!(std::abs(logits[i] - expected[i]) <= 1e-4))
      FAIL_CHECK("logit " << i << ": " << logits[i] << ", expected " << expected[i]);
}

}  // namespace

TEST_CASE("torchvision's resnet18 and ours take each other's weights") {
  const golden::TemporaryFolder folder;
  const std::filesystem::path ours = folder / "ours.safetensors", state = folder / "state.safetensors",
                              batch = folder / "batch.safetensors";
  const auto device = Device::open({.device = "cpu", .options = {.threads = 2}});
  const std::unique_ptr<Network> network = require_network("resnet18_imagenet").make({});
  const ParameterStore parameters(*network, device, 7);
  save_weights(ours, parameters, {});
  if (!golden::run_script("torchvision_resnet18.py",
                          golden::quoted(ours) + " " + golden::quoted(state) + " " + golden::quoted(batch),
                          "the exchange of weights"))
    return;

  const Safetensors file = Safetensors::read(state), numbers = Safetensors::read(batch);
  const std::int64_t size = numbers.at("images").shape.at(0);  // N,H,W,C
  const Tensor x = Tensor::from(device, {size, 32, 32, 3}, std::span<const float>(floats(numbers, "images")));

  SECTION("theirs here") {
    REQUIRE(file.find("bn1.num_batches_tracked") != nullptr);
    CHECK_THROWS_AS(config_of(file, ""), WeightsError);  // it does not say what it is
    const SavedNetwork saved = load_network(file, config_of(file, "resnet18_imagenet"), device);
    require_logits(*saved.network, x, floats(numbers, "logits"));
  }
  SECTION("ours there, with strict=True") { require_logits(*network, x, floats(numbers, "logits_of_ours")); }
}
