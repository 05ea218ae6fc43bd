// What a network says of itself, its loss included, and what follows from that.
#include "engine/nn/network.h"

#include <cmath>

#include "engine/nn/parameter_store.h"
#include "engine/ops/loss.h"
#include "engine/run/model_table.h"
#include "tests/catch.h"
#include "tests/engine/devices.h"
#include "tests/engine/tiny_network.h"

using namespace tessera;
using namespace tessera::test;

namespace {

// Ends in a 1×1 convolution and a global pool, for 6×10×2 inputs.
struct AllConvolutional : Network {
  void visit(Visitor& v) override { v("body", body), v("out", out); }
  Variable forward(const Context& context, const Variable& x) override {
    return pool(context, out(context, body(context, x)));
  }
  Shape input() const override { return {6, 10, 2}; }
  Conv2d body{2, 4, 3}, out{4, 7, 1};
  GlobalAveragePool pool;
};

struct NoLayers : Network {
  void visit(Visitor&) override {}
  Variable forward(const Context&, const Variable& x) override { return x; }
};

Tensor labels(const std::shared_ptr<Device>& device, const std::vector<std::int32_t>& values) {
  return Tensor::from(device, {static_cast<std::int64_t>(values.size())}, std::span<const std::int32_t>(values));
}

}  // namespace

TEST_CASE("the head is the layer named last, a convolution too") {
  AllConvolutional network;
  const ParameterStore store(network, reference(), 1);
  CHECK(network.head().path() == "out");
  CHECK(network.outputs() == 7);
  TinyNetwork tiny;
  CHECK(&tiny.head() == &tiny.fc);
  CHECK(tiny.outputs() == 4);
  CHECK_THROWS_WITH(NoLayers().head(), Catch::Contains("no head"));
}

TEST_CASE("the model table runs an input of the network's own shape") {
  AllConvolutional network;
  const auto device = open("cpu");
  const ParameterStore store(network, device, 1);
  const ModelTable table = model_table(network, store);
  CHECK(table.layers.at(0).output == Shape{4, 8, 4});
  CHECK(table.layers.at(1).output == Shape{4, 8, 7});
}

TEST_CASE("a network's loss by default: smoothed softmax, or sigmoid where there is one output") {
  AllConvolutional network;
  const auto device = reference();
  const Variable three(upload(device, {2, 3}, {1, 2, 4, 0, -1, 1}, DType::f64));
  const auto loss_of_row = [](double a, double b, double c, int label, double smoothing) {
    const double total = std::log(std::exp(a) + std::exp(b) + std::exp(c)), z[] = {a, b, c};
    double loss = 0;
    for (int i = 0; i < 3; ++i) loss += (smoothing / 3 + (i == label ? 1 - smoothing : 0)) * (total - z[i]);
    return loss;
  };
  for (const double smoothing : {0.0, 0.2}) {
    const Variable loss = network.loss({.label_smoothing = smoothing}, three, labels(device, {2, 0}));
    CHECK(download(loss.value()).at(0) ==
          Approx((loss_of_row(1, 2, 4, 2, smoothing) + loss_of_row(0, -1, 1, 0, smoothing)) / 2).epsilon(1e-12));
  }
  const Variable one(upload(device, {2, 1}, {0.5, -2}, DType::f64));
  CHECK(download(network.loss({}, one, labels(device, {1, 0})).value()).at(0) ==
        Approx((std::log1p(std::exp(-0.5)) + std::log1p(std::exp(-2.0))) / 2).epsilon(1e-12));
}
