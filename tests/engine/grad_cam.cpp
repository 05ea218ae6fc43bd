// Grad-CAM against its definition by central differences in float64, against class activation maps where both are one, and
// for every network of the catalogue.
#include "engine/nn/grad_cam.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/core/random.h"
#include "engine/nn/conv_norm.h"
#include "engine/nn/parameter_store.h"
#include "engine/ops/arithmetic.h"
#include "models/catalogue.h"
#include "tests/catch.h"
#include "tests/engine/devices.h"

using namespace tessera;
using namespace tessera::test;
using Catch::Contains;

namespace {

// A network in two halves, so that what lies behind the maps can be run by itself.
struct Halves : Network {
  explicit Halves(std::int64_t outputs) : out(7, outputs) {}
  void visit(Visitor& v) override {
    v("first", first), v("norm", norm), v("second", second), v("drop", drop), v("pool", pool);
    v("flatten", flatten), v("hidden", hidden), v("out", out);
  }
  Variable maps(const Context& context, const Variable& x) const {
    return second(context, conv_norm(context, first, norm, x, Activation::silu));
  }
  Variable behind(const Context& context, const Variable& a) const {
    return out(context, hidden(context, flatten(context, pool(context, drop(context, a)))));
  }
  Variable forward(const Context& context, const Variable& x) override { return behind(context, maps(context, x)); }

  Conv2d first{3, 4, 3, {.padding = Padding::all(1)}};
  BatchNorm norm{4};
  Conv2d second{4, 5, 3, {.stride = 2, .padding = Padding::all(1), .activation = Activation::gelu}};
  Dropout drop{0.5};
  MaxPool pool;
  Flatten flatten;
  Linear hidden{5 * 2 * 2, 7, {.activation = Activation::sigmoid}};
  Linear out;
};

std::vector<double> noise(std::int64_t count, std::uint64_t stream) {
  RandomStream random(3, Purpose::test, stream);
  std::vector<double> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(static_cast<double>(random.below(2001)) / 1000 - 1);
  return values;
}

// The definition: slopes of y by central differences, one cell of the maps after the other.
std::vector<double> by_differences(const Halves& network, const std::shared_ptr<Device>& device, const Tensor& x,
                                   const std::vector<std::int32_t>& classes, bool one_output) {
  const Tensor a = network.maps({}, x).value();
  const Shape shape = a.shape();
  const std::vector<double> values = a.to_host<double>();
  const std::size_t channels = static_cast<std::size_t>(shape[3]), cells = static_cast<std::size_t>(shape[1] * shape[2]);
  const auto output = [&](const std::vector<double>& at, std::size_t image) {
    const Variable y = network.behind({}, Tensor::from(device, shape, at));
    const std::vector<double> all = y.value().to_host<double>();
    if (one_output) return classes[image] == 1 ? all[image] : -all[image];
    return all[image * static_cast<std::size_t>(y.shape()[1]) + static_cast<std::size_t>(classes[image])];
  };
  std::vector<double> maps;
  for (std::size_t n = 0; n < classes.size(); ++n) {
    std::vector<double> sums(cells);
    for (std::size_t k = 0; k < channels; ++k) {
      const auto place = [&](std::size_t cell) { return (n * cells + cell) * channels + k; };
      double alpha = 0;
      for (std::size_t cell = 0; cell < cells; ++cell) {
        constexpr double step = 1e-5;
        std::vector<double> moved = values;
        moved[place(cell)] += step;
        const double up = output(moved, n);
        moved[place(cell)] -= 2 * step;
        alpha += (up - output(moved, n)) / (2 * step) / static_cast<double>(cells);
      }
      for (std::size_t cell = 0; cell < cells; ++cell) sums[cell] += alpha * values[place(cell)];
    }
    for (const double sum : sums) maps.push_back(std::max(sum, 0.0));
  }
  return maps;
}

}  // namespace

TEST_CASE("Grad-CAM is its definition, the slopes taken by differences in float64") {
  for (const std::int64_t outputs : {3, 1}) {
    INFO(outputs << " outputs");
    const auto device = Device::open({.device = "reference"});
    Halves network(outputs);
    const ParameterStore store(network, device, 7, DType::f64);
    const Shape shape{2, 9, 8, 3};
    const Tensor x = Tensor::from(device, shape, noise(shape.count(), 1));
    double seen = 0;
    for (const std::vector<std::int32_t>& classes : outputs == 1
                                                        ? std::vector<std::vector<std::int32_t>>{{0, 1}, {1, 0}}
                                                        : std::vector<std::vector<std::int32_t>>{{0, 1}, {1, 2}, {2, 0}}) {
      const std::vector<double> expected = by_differences(network, device, x, classes, outputs == 1);
      const ClassMaps got = grad_cam(network, x, classes);
      CHECK(got.layer == "second");
      CHECK(got.rows == 5);
      CHECK(got.columns == 4);
      REQUIRE(got.values.size() == expected.size());
      const double largest = *std::max_element(expected.begin(), expected.end());
      for (std::size_t i = 0; i < expected.size(); ++i)
        CHECK(double{got.values[i]} == Approx(expected[i]).margin(1e-6 * largest));
      seen = std::max(seen, largest);
      CHECK(got.of(1)[0] == got.values[20]);
    }
    CHECK(seen > 1e-4);  // there was something to compare
  }
}

TEST_CASE("Grad-CAM looks at another layer by its path, and says which there are") {
  const auto device = Device::open({.device = "cpu"});
  Halves network(3);
  const ParameterStore store(network, device, 7);
  const std::vector<double> pixels = noise(9 * 8 * 3, 1);
  const Tensor x = Tensor::from(device, {1, 9, 8, 3}, std::vector<float>(pixels.begin(), pixels.end()));
  const std::vector<std::int32_t> classes{2};
  const ClassMaps first = grad_cam(network, x, classes, "norm");
  CHECK(first.layer == "norm");
  CHECK((first.rows == 9 && first.columns == 8));
  CHECK_THROWS_WITH(grad_cam(network, x, classes, "pool"), Contains("pool") && Contains("first, norm, second"));
  CHECK_THROWS_WITH(grad_cam(network, x, std::vector<std::int32_t>{3}), Contains("class 3 of 3"));
  CHECK_THROWS_WITH(grad_cam(network, x, std::vector<std::int32_t>{1, 2}), Contains("2 classes for 1 images"));

  struct NoMaps : Network {
    void visit(Visitor& v) override { v("out", out); }
    Variable forward(const Context& context, const Variable& y) override { return out(context, y); }
    Linear out{4, 2};
  } vectors;
  const ParameterStore own(vectors, device, 1);
  CHECK_THROWS_AS(grad_cam(vectors, Tensor::zeros(device, {1, 4}, DType::f32), std::vector<std::int32_t>{0}), UsageError);
}

// Where only a mean over places and a linear layer lie behind the maps, ∂y/∂A_ijk = w_ck/(u·v): Grad-CAM is then the class
// activation map of Zhou et al. 2016, Σ_k w_ck·A_ijk, positive and divided by the number of places.
TEST_CASE("Grad-CAM of networks that end in a mean is their class activation map; every network of the catalogue has maps") {
  struct Last : LayerObserver {
    void on_layer(const Module& layer, const char* kind, const Variable& output, double) override {
      if (output.shape().rank == 4) maps[layer.path()] = output.value();
      mean = mean || kind == std::string("global average pool");
    }
    std::map<std::string, Tensor> maps;
    bool mean = false;
  };
  const auto device = Device::open({.device = "cpu"});
  const std::map<std::string, std::pair<std::string, std::int64_t>> expected{{"baseline", {"b1", 32}},
                                                                             {"lenet5_sigmoid", {"c2", 10}},
                                                                             {"lenet5_relu", {"conv_unit.2", 10}},
                                                                             {"alexnet8", {"c5", 5}},
                                                                             {"vgg16", {"b10", 4}},
                                                                             {"inception10", {"blocks.3.concat", 8}},
                                                                             {"airbench94", {"groups.2.conv1", 7}}};
  int compared = 0;
  for (const NetworkEntry& entry : catalogue()) {
    INFO(entry.id);
    const std::unique_ptr<Network> network = entry.make({});
    const ParameterStore store(*network, device, 5);
    const Shape image = network->input();
    const Shape shape{2, image[0], image[1], image[2]};
    const std::vector<double> pixels = noise(shape.count(), 2);
    const Tensor x = Tensor::from(device, shape, std::vector<float>(pixels.begin(), pixels.end()));
    const std::int32_t one = network->outputs() == 1 ? 1 : 3;
    const std::vector<std::int32_t> classes{one, 0};
    const ClassMaps got = grad_cam(*network, x, classes);
    CHECK(std::min(got.rows, got.columns) >= 4);
    CHECK(std::all_of(got.values.begin(), got.values.end(), [](float v) { return v >= 0 && std::isfinite(v); }));
    CHECK(std::any_of(got.values.begin(), got.values.end(), [](float v) { return v > 0; }));
    if (const auto known = expected.find(entry.id); known != expected.end()) {
      CHECK(got.layer == known->second.first);
      CHECK(got.rows == known->second.second);
    }

    Last last;
    network->forward({.observer = &last}, x);
    if (!last.mean || last.maps.count(got.layer) == 0) continue;
    const Tensor& a = last.maps.at(got.layer);
    const auto channels = static_cast<std::size_t>(a.shape()[3]);
    Parameter* head = nullptr;
    struct First : Visitor {
      explicit First(Parameter*& to) : found(to) {}
      void on_parameter(const std::string&, Parameter& p) override { found = found ? found : &p; }
      Parameter*& found;
    } visitor(head);
    network->head().visit(visitor);
    if (head->shape()[1] != a.shape()[3]) continue;  // other layers lie between
    const std::vector<float> weights = head->value().to_host<float>(), values = a.to_host<float>();
    const auto cells = static_cast<std::size_t>(got.rows * got.columns);
    double largest = 0;
    for (const float v : got.values) largest = std::max(largest, double{v});
    for (std::size_t n = 0; n < 2; ++n)
      for (std::size_t cell = 0; cell < cells; ++cell) {
        double sum = 0;
        for (std::size_t k = 0; k < channels; ++k) {
          const bool single = network->outputs() == 1;
          const double w = double{weights[(single ? 0 : static_cast<std::size_t>(classes[n])) * channels + k]};
          sum += (single && classes[n] == 0 ? -w : w) * double{values[(n * cells + cell) * channels + k]};
        }
        const double activation_map = std::max(0.0, sum / static_cast<double>(cells));
        if (std::abs(double{got.values[n * cells + cell]} - activation_map) > 2e-5 * largest)
          FAIL("image " << n << ", cell " << cell << ": " << got.values[n * cells + cell] << " and " << activation_map);
      }
    ++compared;
  }
  CHECK(compared >= 4);
}

TEST_CASE("retain_grad keeps the gradient of what an op made, and nothing else is kept") {
  const auto device = Device::open({.device = "cpu"});
  const Variable x = Variable::leaf(Tensor::from(device, {3}, std::vector<float>{1, 2, 3}));
  const Variable y = x * x, z = y * y, loss = sum(z);
  y.retain_grad();
  backward(loss);
  CHECK(y.grad().to_host<float>() == std::vector<float>{2, 8, 18});
  CHECK(x.grad().to_host<float>() == std::vector<float>{4, 32, 108});
  CHECK_FALSE(z.grad());
}
