// The graph itself: who gets a gradient, what a second pass does, and that nothing is kept.
#include "engine/nn/parameter_store.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/linear.h"
#include "engine/train/batches.h"
#include "tests/catch.h"
#include "tests/engine/devices.h"
#include "tests/engine/gradient_cases.h"
#include "tests/engine/tiny_network.h"

using namespace tessera;
using namespace tessera::test;

namespace {

Variable leaf(const std::shared_ptr<Device>& device, const std::vector<double>& values) {
  return Variable::leaf(upload(device, {1, static_cast<std::int64_t>(values.size())}, values, DType::f64));
}

std::vector<double> times(std::vector<double> values, double factor) {
  for (double& v : values) v *= factor;
  return values;
}

// Forward and loss of a tiny network on a batch.
Variable tiny_loss(TinyNetwork& network, const std::shared_ptr<Device>& device, const Context& context) {
  const ImageSet set = tiny_images(6, 3);
  const ImageBatches source(DeviceImages::upload(set, device), {});
  StepStateBuffer state(device);
  state.write({});
  const Batch batch = source.draw(6, state.device_pointer());
  return network.loss(context, network.forward(context, batch.x), batch.y);
}

const Context training{.training = true, .gradients = true};

}  // namespace

TEST_CASE("gradients add up over backward passes until they are cleared") {
  const auto device = reference();
  const Variable x = leaf(device, {1, -2, 3});
  backward(weighted_sum(activate(x, Activation::sigmoid)));
  const std::vector<double> once = download(x.grad());
  backward(weighted_sum(activate(x, Activation::sigmoid)));
  CHECK(download(x.grad()) == times(once, 2));
  x.node()->clear();
  CHECK(!x.grad());
  backward(weighted_sum(activate(x, Activation::sigmoid)));
  CHECK(download(x.grad()) == once);
}

TEST_CASE("a gradient that two values share does not change with one of them") {
  const auto device = reference();
  const Variable a = leaf(device, {1, 2, 3}), b = leaf(device, {4, 5, 6});
  backward(weighted_sum(add(a, b)));  // both gradients are one tensor
  const std::vector<double> shared = download(b.grad());
  CHECK(download(a.grad()) == shared);
  backward(weighted_sum(activate(a, Activation::sigmoid)));
  CHECK(download(b.grad()) == shared);
  CHECK(download(a.grad()) != shared);
  backward(weighted_sum(add(a, b)));
  CHECK(download(b.grad()) == times(shared, 2));
}

TEST_CASE("a graph that was consumed cannot be used again") {
  const auto device = reference();
  const Variable x = leaf(device, {1, 2});
  const Variable trunk = activate(x, Activation::sigmoid);
  const Variable first = weighted_sum(trunk), second = weighted_sum(add(trunk, trunk));
  backward(first);
  const std::vector<double> gradient = download(x.grad());
  CHECK_THROWS_WITH(backward(first), Catch::Contains("consumed"));
  CHECK_THROWS_WITH(backward(second), Catch::Contains("activation"));  // names the op whose part is gone
  CHECK(download(x.grad()) == gradient);
}

TEST_CASE("backward wants one element that depends on something") {
  const auto device = reference();
  const Variable x = leaf(device, {1, 2});
  CHECK_THROWS_AS(backward(activate(x, Activation::relu)), ShapeError);
  CHECK_THROWS_AS(backward(weighted_sum(Variable(x.value()))), Error);
}

TEST_CASE("the seed scales every gradient") {
  const auto device = reference();
  const Variable x = leaf(device, {1, 2, 3});
  backward(weighted_sum(activate(x, Activation::sigmoid)));
  const std::vector<double> once = download(x.grad());
  x.node()->clear();
  backward(weighted_sum(activate(x, Activation::sigmoid)), upload(device, {1}, {4}, DType::f64));
  CHECK(download(x.grad()) == times(once, 4));
}

TEST_CASE("a graph of a hundred thousand ops is walked and freed without recursion") {
  const auto device = reference();
  const Variable x = leaf(device, {1, 2});
  for (const bool walk : {true, false}) {
    Variable y = x;
    for (int i = 0; i < 100'000; ++i) y = add(y, x);
    if (walk) backward(weighted_sum(y));
  }
  Variable y = weighted_sum(x);
  backward(y);
  CHECK(x.grad());
}

TEST_CASE("parameters that are unused or frozen get no gradient") {
  const auto device = reference();
  TinyNetwork network;
  ParameterStore store(network, device, 5);
  const auto names = [&] {
    std::string list;
    for (const Parameter* parameter : store.parameters())
      if (parameter->node()->filled()) list += parameter->path() + " ";
    return list;
  };
  backward(tiny_loss(network, device, training));
  CHECK(names() == "conv.weight conv.bias bn.weight bn.bias fc.weight fc.bias ");
  const auto ranges = store.ranges_with_gradient();
  REQUIRE(ranges.size() == 2);  // before and behind the unused layer
  CHECK(ranges[0].first == 0);
  CHECK(ranges[0].count == store.offset(4));
  CHECK(ranges[1].first == store.offset(6));
  CHECK(ranges[1].first + ranges[1].count == store.values().count());

  store.clear_gradients();
  CHECK(names().empty());
  network.conv.weight.set_trainable(false);
  network.conv.bias.set_trainable(false);
  network.bn.weight.set_trainable(false);
  network.bn.bias.set_trainable(false);
  const std::vector<double> mean = download(network.bn.running_mean.value()), var = download(network.bn.running_var.value());
  backward(tiny_loss(network, device, training));
  CHECK(names() == "fc.weight fc.bias ");
  CHECK(download(network.bn.running_mean.value()) == mean);  // a frozen batch norm keeps its statistics
  CHECK(download(network.bn.running_var.value()) == var);
  CHECK(store.trainable_count() == (96 * 4 + 4) + 30);
  CHECK(store.non_trainable_count() == (162 + 6) + 12 + 12);
}

TEST_CASE("frozen layers still let the gradient through to the layers before them") {
  const auto device = reference();
  TinyNetwork network;
  ParameterStore store(network, device, 5);
  network.bn.weight.set_trainable(false);
  network.bn.bias.set_trainable(false);
  network.fc.weight.set_trainable(false);
  backward(tiny_loss(network, device, training));
  CHECK(network.conv.weight.node()->filled());
  CHECK(!network.bn.weight.node()->filled());
  CHECK(!network.fc.weight.node()->filled());
  CHECK(network.fc.bias.node()->filled());
}

TEST_CASE("no memory is kept: not after a backward pass, not without one, not after an error") {
  for (const bool dropout : {false, true}) {
    const auto device = reference();
    TinyNetwork network({.dropout = dropout ? 0.5 : 0.0});
    ParameterStore store(network, device, 5);
    StepStateBuffer state(device);
    state.write({});
    Context context = training;
    context.state = state.device_pointer();
    const std::size_t before = device->bytes_in_use();
    { const Variable abandoned = tiny_loss(network, device, context); }
    CHECK(device->bytes_in_use() == before);
    {
      const Variable loss = tiny_loss(network, device, context);
      const std::size_t recorded = device->bytes_in_use();
      backward(loss);
      CHECK(device->bytes_in_use() < recorded);
    }
    CHECK(device->bytes_in_use() == before);
    { const Variable loss = tiny_loss(network, device, {}); }
    CHECK(device->bytes_in_use() == before);
    CHECK_THROWS_AS(network.forward(context, Tensor::zeros(device, {1, 8, 8, 4}, DType::f32)), ShapeError);
    CHECK(device->bytes_in_use() == before);
  }
}

TEST_CASE("without gradients wanted, intermediate values are freed as the pass goes on") {
  const auto device = reference();
  TinyNetwork network;
  ParameterStore store(network, device, 5);
  const std::size_t before = device->bytes_in_use();
  const Variable with = tiny_loss(network, device, training);
  const std::size_t recorded = device->bytes_in_use() - before;
  const Variable without = tiny_loss(network, device, {.training = true});
  CHECK(device->bytes_in_use() - before - recorded <= 256);  // the loss alone
  CHECK(!without.requires_grad());
  CHECK(download(with.value()) == download(without.value()));
}

TEST_CASE("a wrong shape is reported with the layer's path and both shapes") {
  const auto device = reference();
  TinyNetwork network;
  ParameterStore store(network, device, 5);
  try {
    network.forward({}, Tensor::zeros(device, {2, 8, 8, 5}, DType::f32));
    FAIL("accepted five channels");
  } catch (const ShapeError& error) {
    CHECK_THAT(error.what(), Catch::Contains("conv") && Catch::Contains("[2, 8, 8, 5]") && Catch::Contains("[6, 3, 3, 3]"));
  }
  CHECK_THROWS_WITH(network.forward({}, Tensor::zeros(device, {2, 10, 10, 3}, DType::f32)), Catch::Contains("layer fc"));
}

TEST_CASE("a parameter without memory says so") {
  const TinyNetwork network;
  CHECK_THROWS_WITH(network.fc.weight.in({}), Catch::Contains("ParameterStore"));
}
