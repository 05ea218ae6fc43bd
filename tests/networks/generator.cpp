// The generator against the check values of its definition.
#include "tests/networks/generator.h"

#include "tests/catch.h"

using namespace tessera::golden;

namespace {

void check_ends(const char* network, const char* name, const std::vector<std::int64_t>& shape, float first, float last) {
  INFO(network << "/" << name);
  const std::vector<float> values = generated_tensor(network, name, shape);
  CHECK(values.front() == first);  // nine digits name one float
  CHECK(values.back() == last);
}

}  // namespace

TEST_CASE("the portable generator gives the values of its definition") {
  CHECK(fnv1a64("resnet18/c1.weight") == 0xd4c4fabc2286047cull);
  CHECK(GeneratorStream("resnet18/c1.weight")[0] == 0xfa9308415583d22aull);
  check_ends("resnet18", "c1.weight", {64, 3, 3, 3}, 0.451422632f, 0.00192897697f);
  check_ends("resnet18", "b1.weight", {64}, 1.15532851f, 0.775969088f);
  check_ends("resnet18", "b1.running_var", {64}, 0.507399917f, 1.37921011f);
  check_ends("resnet18", "b1.running_mean", {64}, -0.0346512794f, -0.107820377f);
  check_ends("lenet5_relu", "fc_unit.0.weight", {120, 400}, 0.113981068f, -0.00267936592f);
}

TEST_CASE("generated images are bytes over 255, and labels lie among the outputs") {
  const std::vector<float> images = generated_images("resnet18", 2);
  REQUIRE(images.size() == 2 * 32 * 32 * 3);
  std::size_t outside = 0;
  for (const float v : images) {
    const float byte = std::round(v * 255.0f);
    outside += byte < 0 || byte > 255 || byte / 255.0f != v;
  }
  CHECK(outside == 0);
  for (const std::int64_t outputs : {1, 2, 8, 10, 1000})
    for (const std::int32_t label : generated_labels("resnet18", 50, outputs)) {
      CHECK(label >= 0);
      CHECK(label < (outputs == 1 ? 2 : outputs == 1000 ? 10 : outputs));
    }
}
