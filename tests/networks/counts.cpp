// Names, numbers and options of the networks, without computing anything.
#include <set>

#include "tests/catch.h"
#include "tests/networks/measure.h"

using namespace tessera;

TEST_CASE("every network has the parameters of its definition") {
  const auto device = Device::open({.device = "reference", .options = {}});
  std::set<std::string> ids;
  for (const NetworkEntry& entry : catalogue()) {
    INFO(entry.id);
    CHECK(ids.insert(entry.id).second);
    const golden::NetworkTest& expected = golden::test_of(entry);
    const auto network = entry.make({});
    const ParameterStore store(*network, device, 1);
    CHECK(store.trainable_count() == expected.trainable);
    CHECK(store.non_trainable_count() == expected.non_trainable);
    CHECK(store.trainable_count() + store.non_trainable_count() == expected.total);
    CHECK(find_network(entry.id) == &entry);
  }
}

TEST_CASE("options that a network does not know are errors that name them") {
  for (const NetworkEntry& entry : catalogue()) {
    INFO(entry.id);
    if (entry.has_dropout)
      CHECK_NOTHROW(entry.make({.outputs = {}, .dropout = 0.5}));
    else
      CHECK_THROWS_AS(entry.make({.outputs = {}, .dropout = 0.5}), UsageError);
    if (entry.has_residual_option)
      CHECK_NOTHROW(entry.make({.outputs = {}, .dropout = {}, .residual = false}));
    else
      CHECK_THROWS_AS(entry.make({.outputs = {}, .dropout = {}, .residual = false}), UsageError);
  }
  CHECK(require_network("vgg16").has_dropout);
  CHECK(require_network("resnet18_nndl").has_residual_option);
}

TEST_CASE("the variant without residual adds keeps every tensor") {
  const auto device = Device::open({.device = "reference", .options = {}});
  const auto names = [&](bool residual) {
    const auto network = require_network("resnet18_nndl").make({.outputs = {}, .dropout = {}, .residual = residual});
    const ParameterStore store(*network, device, 1);
    std::vector<std::string> all;
    for (const Parameter* parameter : store.parameters()) all.push_back(parameter->path());
    for (const Buffer* buffer : store.buffers()) all.push_back(buffer->path());
    return all;
  };
  CHECK(names(true) == names(false));
}

TEST_CASE("the size of the head is an option") {
  const auto device = Device::open({.device = "reference", .options = {}});
  for (const NetworkEntry& entry : catalogue()) {
    INFO(entry.id);
    const auto seven = entry.make({.outputs = 7, .dropout = {}}), usual = entry.make({});
    CHECK(seven->outputs() == 7);
    const ParameterStore small(*seven, device, 1), full(*usual, device, 1);
    const std::int64_t lost_outputs = usual->outputs() - 7;
    const std::int64_t lost = full.trainable_count() - small.trainable_count();
    CHECK(lost % lost_outputs == 0);  // a row of weights and a bias for each
    CHECK(lost / lost_outputs > 1);
  }
}

TEST_CASE("networks that end in a global pool take images of any size, the others say which do") {
  const auto device = Device::open({.device = "cpu", .options = {.threads = 2}});
  int any = 0;
  for (const NetworkEntry& entry : catalogue()) {
    INFO(entry.id);
    if (!entry.any_image_size) {
      CHECK(entry.make({})->input() == Shape{32, 32, 3});
      CHECK_THROWS_WITH(entry.make({.image_size = 48}), Catch::Contains(entry.id) && Catch::Contains("resnet18_imagenet"));
      continue;
    }
    ++any;
    const auto network = entry.make({.image_size = 48}), usual = entry.make({});
    CHECK(network->input() == Shape{48, 48, 3});
    const ParameterStore store(*network, device, 1), same(*usual, device, 1);
    CHECK(store.trainable_count() == same.trainable_count());
    CHECK(network->forward({}, Tensor::zeros(device, {1, 48, 48, 3}, DType::f32)).shape() == Shape{1, network->outputs()});
  }
  CHECK(any == 8);
}

TEST_CASE("every network takes images of one channel: its first filters alone are smaller") {
  const auto device = Device::open({.device = "cpu", .options = {.threads = 2}});
  for (const NetworkEntry& entry : catalogue()) {
    INFO(entry.id);
    const auto grey = entry.make({.channels = 1}), usual = entry.make({});
    CHECK(grey->input() == Shape{usual->input()[0], usual->input()[1], 1});
    const ParameterStore one(*grey, device, 1), three(*usual, device, 1);
    const Shape first = one.parameters()[0]->shape();
    CHECK(first[3] == 1);
    if (entry.id != std::string("airbench94"))  // whitens patches by as many filters as they have values, twice
      CHECK(three.trainable_count() - one.trainable_count() == 2 * first[0] * first[1] * first[2]);
    else
      CHECK(first == Shape{8, 2, 2, 1});
    CHECK(grey->forward({}, Tensor::zeros(device, {1, 32, 32, 1}, DType::f32)).shape() == Shape{1, grey->outputs()});
  }
}

TEST_CASE("an unknown network is an error that lists those there are") {
  CHECK(find_network("lenet6") == nullptr);
  try {
    require_network("lenet6");
    FAIL("found lenet6");
  } catch (const UsageError& error) {
    CHECK_THAT(error.what(), Catch::Contains("lenet6"));
    for (const NetworkEntry& entry : catalogue()) CHECK_THAT(error.what(), Catch::Contains(entry.id));
  }
}
