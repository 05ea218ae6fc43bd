// The gradients of whole networks, through every layer and kernel of a training step: on the emulated GPU, in float32 and
// in bf16, against the reference in float64 with the same parameters and images.
#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include "engine/nn/conv_norm.h"
#include "engine/nn/residual.h"
#include "engine/ops/elementwise.h"
#include "models/catalogue.h"
#include "tests/catch.h"
#include "tests/engine/devices.h"

using namespace tessera;
using namespace tessera::test;

namespace {

// A ResNet with a unit of each kind (same size; stride 2 and projection; another activation), for any size of image.
struct NarrowResNet : Network {
  void visit(Visitor& v) override {
    v("conv", conv), v("norm", norm), v("unit0", same), v("unit1", halved), v("unit2", last), v("head", head);
  }
  Variable forward(const Context& context, const Variable& x) override {
    const Variable y = conv_norm(context, conv, norm, x, Activation::relu);
    return head(context, pool(context, last(context, halved(context, same(context, y)))));
  }

  Conv2d conv{3, 4, 3, {.padding = Padding::all(1), .bias = false}};
  BatchNorm norm{4};
  ResidualUnit same{4, 4};
  ResidualUnit halved{4, 8, {.stride = 2, .project = true}};
  ResidualUnit last{8, 8, {.activation = Activation::none, .padding = Padding::all(1)}};
  GlobalAveragePool pool;
  Linear head{8, 10};
};

struct Images {
  Shape shape;  // N,H,W,C
  std::vector<double> pixels;
  std::vector<std::int32_t> labels;
};

Images images(std::int64_t count, std::int64_t size) {
  Images result{.shape = {count, size, size, 3}, .pixels = {}, .labels = {}};
  const auto draw = [](std::uint64_t stream, std::int64_t i) {
    return kernels::philox(5, kernels::Purpose::test, stream, static_cast<std::uint64_t>(i)).v[0];
  };
  for (std::int64_t i = 0; i < result.shape.count(); ++i)
    result.pixels.push_back(
        static_cast<double>(static_cast<float>(4 * static_cast<double>(kernels::to_unit(draw(1, i))) - 2)));
  for (std::int64_t i = 0; i < count; ++i) result.labels.push_back(static_cast<std::int32_t>(draw(2, i) % 10));
  return result;
}

// A network, its images, and where all its biases start.
struct Case {
  std::string name;
  std::unique_ptr<Network> network;
  Images batch;
  double bias = 0;  // 0: as initialised
};

std::vector<Case> cases() {
  std::vector<Case> all;
  all.push_back({"LeNet-5", require_network("lenet5_relu").make({}), images(4, 32)});
  all.push_back({"ResNet", std::make_unique<NarrowResNet>(), images(4, 12)});
  // Normalised values lie within ±3 but for a few, so that nearly every ReLU is open, whatever the rounding.
  all.push_back({"ResNet with open ReLUs", std::make_unique<NarrowResNet>(), images(4, 12), 3});
  return all;
}

struct Gradients {
  double loss = 0;
  std::map<std::string, std::vector<double>> of;  // each parameter, by path
};

Gradients gradients(const Case& c, const std::string& backend, DType real, Precision precision) {
  const auto device = Device::open({.device = backend, .precision = precision});
  ParameterStore store(*c.network, device, 3, real);
  for (const Parameter* parameter : store.parameters())
    if (c.bias != 0 && parameter->path().ends_with("bias")) {
      const Tensor values = upload(device, parameter->shape(),
                                   std::vector<double>(static_cast<std::size_t>(parameter->count()), c.bias), real);
      device->run(&Backend::scale, 1, {}, values, {parameter->value(), false});
    }
  store.values_changed();

  const Context context{.training = true, .gradients = true};
  Variable x(upload(device, c.batch.shape, c.batch.pixels, real));
  if (precision == Precision::bf16) x = convert(x, DType::bf16);
  Variable logits = c.network->forward(context, x);
  if (precision == Precision::bf16) logits = convert(logits, DType::f32);
  const Tensor labels = Tensor::from(device, {c.batch.shape[0]}, std::span<const std::int32_t>(c.batch.labels));
  const Variable loss = c.network->loss(context, logits, labels);
  backward(loss);

  Gradients result{.loss = download(loss.value()).at(0), .of = {}};
  for (const Parameter* parameter : store.parameters()) {
    INFO(parameter->path());
    REQUIRE(parameter->node()->filled());
    result.of[parameter->path()] = download(parameter->node()->grad());
  }
  return result;
}

Gradients exact(const Case& c) { return gradients(c, "reference", DType::f64, Precision::fp32); }

double square(double x) { return x * x; }

// ‖got − expected‖/‖expected‖ of one parameter's gradient, and of all of them as one vector.
double relative_error(const std::vector<double>& got, const std::vector<double>& expected) {
  REQUIRE(got.size() == expected.size());
  double error = 0, size = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) error += square(got[i] - expected[i]), size += square(expected[i]);
  REQUIRE(size > 0);
  return std::sqrt(error / size);
}
double relative_error(const Gradients& got, const Gradients& expected) {
  std::vector<double> all_got, all_expected;
  for (const auto& [path, e] : expected.of) {
    const std::vector<double>& g = got.of.at(path);
    all_got.insert(all_got.end(), g.begin(), g.end());
    all_expected.insert(all_expected.end(), e.begin(), e.end());
  }
  return relative_error(all_got, all_expected);
}

}  // namespace

TEST_CASE("gradients of whole networks: the emulated GPU in float32 against the reference in float64") {
  for (const Case& c : cases()) {
    INFO(c.name);
    const Gradients expected = exact(c), got = gradients(c, test_gpu(), DType::f32, Precision::fp32);
    CHECK(std::abs(got.loss - expected.loss) < 1e-5 * expected.loss);
    for (const auto& [path, e] : expected.of) {
      INFO("gradient of " << path);
      const std::vector<double>& g = got.of.at(path);
      REQUIRE(g.size() == e.size());
      double largest = 0, worst = 0;
      for (std::size_t i = 0; i < e.size(); ++i) {
        largest = std::max(largest, std::abs(e[i]));
        worst = std::max(worst, std::isnan(g[i]) ? HUGE_VAL : std::abs(g[i] - e[i]));
      }
      CHECK(worst < 1e-4 * largest);
    }
  }
}

// One rounding to bf16 is off by 2⁻⁸ at most, by 0.2 % on average (root mean square). A gradient passes some twenty of them,
// one after the other: about 1 % where everything is smooth, some 5 % where it is a small difference of large terms, as
// gradients that have passed a batch norm are. A kink costs more: values near 0 change sides, and where a share p of ReLUs
// (or of winners of a maximum) does so, the gradient turns by about √p: a hundredth of them, 10 %.
TEST_CASE("gradients of whole networks: the emulated GPU in bf16 against the reference in float64") {
  for (const Case& c : cases()) {
    INFO(c.name);
    const bool smooth = c.bias != 0;
    const Gradients expected = exact(c), got = gradients(c, test_gpu(), DType::f32, Precision::bf16);
    CHECK(std::abs(got.loss - expected.loss) < 5e-3 * expected.loss);
    const double error = relative_error(got, expected);
    CHECK(error < (smooth ? 2e-2 : 0.25));
    CHECK(error > 1e-4);  // it was in bf16
    if (!smooth) continue;
    for (const auto& [path, e] : expected.of) {
      if (path.ends_with("bias")) continue;  // most move what a batch norm behind them takes out again: no more than noise
      INFO("gradient of " << path);
      CHECK(relative_error(got.of.at(path), e) < 0.08);
    }
  }
}
