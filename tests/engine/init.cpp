// Initial values: bounds, moments, and that they depend on seed and name alone.
#include <algorithm>
#include <cmath>

#include "engine/nn/init.h"
#include "models/catalogue.h"
#include "tests/catch.h"
#include "tests/engine/devices.h"
#include "tests/engine/tiny_network.h"

using namespace tessera;
using namespace tessera::test;

namespace {

struct Moments {
  double mean = 0, variance = 0, largest = 0, kurtosis = 0;
};

Moments moments(const std::vector<float>& values) {
  Moments m;
  const auto n = static_cast<double>(values.size());
  for (const float v : values) m.mean += v / n, m.largest = std::max(m.largest, std::abs(static_cast<double>(v)));
  for (const float v : values) m.variance += (v - m.mean) * (v - m.mean) / n;
  for (const float v : values) m.kurtosis += std::pow((v - m.mean) * (v - m.mean) / m.variance, 2) / n;
  return m;
}

constexpr std::int64_t many = 200'000;

Moments draw(Init init, Fan fan) { return moments(initial_values(init, fan, {many}, RandomStream(3, Purpose::weights, 4))); }

// The sample's moments against a distribution's, five standard errors wide.
void check_moments(const Moments& m, double variance, double kurtosis) {
  CHECK(std::abs(m.mean) < 5 * std::sqrt(variance / many));
  CHECK(m.variance == Approx(variance).epsilon(5 * std::sqrt((kurtosis - 1) / many)));
  CHECK(m.kurtosis == Approx(kurtosis).epsilon(0.05));  // tells uniform (1.8) and normal (3) apart
}

}  // namespace

TEST_CASE("Glorot uniform") {
  const Moments m = draw(Init::glorot_uniform, {27, 576});
  const double a = std::sqrt(6.0 / (27 + 576));
  CHECK(m.largest <= static_cast<double>(static_cast<float>(a)));
  CHECK(m.largest > 0.999 * a);
  check_moments(m, a * a / 3, 1.8);
}

TEST_CASE("uniform by fan-in") {
  const Moments m = draw(Init::fan_in_uniform, {400, 120});
  CHECK(m.largest <= 0.05 * (1 + 1e-7));
  CHECK(m.largest > 0.999 * 0.05);
  check_moments(m, 0.05 * 0.05 / 3, 1.8);
}

TEST_CASE("He normal, not truncated") {
  const Moments m = draw(Init::he_normal, {288, 1});
  check_moments(m, 2.0 / 288, 3.0);
  CHECK(m.largest > 4 * std::sqrt(2.0 / 288));
}

TEST_CASE("He normal, truncated at two standard deviations and widened for it") {
  const Moments m = draw(Init::he_normal_truncated, {288, 1});
  const double sigma = std::sqrt(2.0 / 288) / 0.87962566103423978;
  CHECK(m.largest <= 2 * sigma * (1 + 1e-7));
  CHECK(m.largest > 1.999 * sigma);
  check_moments(m, 2.0 / 288, 2.368);  // fourth moment of a normal cut at ±2, over its variance squared
}

TEST_CASE("constants") {
  CHECK(initial_values(Init::zeros, {}, {3}, RandomStream(1, Purpose::weights, 1)) == std::vector<float>{0, 0, 0});
  CHECK(initial_values(Init::ones, {}, {2}, RandomStream(1, Purpose::weights, 1)) == std::vector<float>{1, 1});
}

TEST_CASE("uniform by fan-in with filters that hand channels on, and of unit deviation") {
  const RandomStream random(3, Purpose::weights, 4);
  const Shape filters{5, 3, 3, 2};
  const std::vector<float> plain = initial_values(Init::fan_in_uniform, {18, 45}, filters, random),
                           values = initial_values(Init::fan_in_uniform_identity, {18, 45}, filters, random);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t filter = i / 18, cell = i % 18 / 2, channel = i % 2;
    const float expected = filter >= 2 ? plain[i] : cell == 4 && channel == filter ? 1.0f : 0.0f;
    CHECK(values[i] == expected);
  }

  const std::vector<float> unit = initial_values(Init::fan_in_uniform_unit, {400, 1}, {many}, random),
                           drawn = initial_values(Init::fan_in_uniform, {400, 1}, {many}, random);
  CHECK(moments(unit).variance == Approx(1).epsilon(1e-5));
  CHECK(unit[7] / drawn[7] == Approx(unit[many - 1] / drawn[many - 1]).epsilon(1e-6));
  // Two values: their deviation is |a − b|/√2, unbiased.
  const std::vector<float> two = initial_values(Init::fan_in_uniform_unit, {1, 1}, {2}, random);
  CHECK(std::abs(two[0] - two[1]) == Approx(std::sqrt(2.0)).epsilon(1e-6));
}

TEST_CASE("layers use their family's rule with the fan of their shape") {
  const auto device = reference();
  struct Expected {
    const char* what;
    InitFamily family;
    double conv_weight, conv_bias, linear_weight,
        linear_bias;  // bound of a uniform draw, standard deviation of a normal one
    bool conv_is_normal;
  };
  const double conv_in = 9 * 16, conv_out = 9 * 32;
  for (const Expected& e : {
           Expected{"tf.keras", tf_keras_init, std::sqrt(6 / (conv_in + conv_out)), 0, std::sqrt(6.0 / (200 + 100)), 0,
                    false},
           Expected{"Keras 3", keras3_init, std::sqrt(2 / conv_in), 0, std::sqrt(6.0 / (200 + 100)), 0, true},
           Expected{"PyTorch", pytorch_init, 1 / std::sqrt(conv_in), 1 / std::sqrt(conv_in), 1 / std::sqrt(200.0),
                    1 / std::sqrt(200.0), false},
           Expected{"Paddle", paddle_init, std::sqrt(2 / conv_in), 0, std::sqrt(6.0 / (200 + 100)), 0, true},
       }) {
    INFO(e.what);
    struct Both : Module {
      explicit Both(const InitFamily& f) : conv(16, 32, 3, {.init = f}), linear(200, 100, {.init = f}) {}
      void visit(Visitor& v) override { v("conv", conv), v("linear", linear); }
      Conv2d conv;
      Linear linear;
    } both(e.family);
    ParameterStore store(both, device, 9);
    const auto measured = [](const Parameter& p) { return moments(p.value().to_host<float>()); };
    const Moments conv = measured(both.conv.weight), linear = measured(both.linear.weight);
    CHECK((e.conv_is_normal ? std::sqrt(conv.variance) : conv.largest) == Approx(e.conv_weight).epsilon(0.03));
    CHECK(linear.largest == Approx(e.linear_weight).epsilon(0.01));
    CHECK(measured(both.conv.bias).largest == Approx(e.conv_bias).epsilon(0.2));
    CHECK(measured(both.linear.bias).largest == Approx(e.linear_bias).epsilon(0.1));
    CHECK(measured(both.conv.bias).largest <= e.conv_bias * (1 + 1e-6));
  }
}

TEST_CASE("initial values depend on seed and name alone: the same on every backend, others for another seed") {
  const NetworkEntry& entry = require_network("lenet5_relu");
  const auto values = [&](const std::string& backend, std::uint64_t seed) {
    const auto network = entry.make({});
    return ParameterStore(*network, open(backend), seed).values().to_host<float>();
  };
  const std::vector<float> expected = values("reference", 1);
  for (const std::string& name : fast_backends()) {
    INFO(name);
    CHECK(values(name, 1) == expected);
  }
  const std::vector<float> other = values("reference", 2);
  std::size_t equal = 0;
  for (std::size_t i = 0; i < other.size(); ++i) equal += expected[i] != 0 && other[i] == expected[i];
  CHECK(equal < 10);

  // A layer more changes nobody else's values.
  struct Pair : Module {
    explicit Pair(bool with_more) : with(with_more) {}
    void visit(Visitor& v) override {
      if (with) v("more", more);
      v("fc", fc);
    }
    bool with;
    Linear more{7, 9}, fc{8, 4};
  } one(false), two(true);
  const auto device = reference();
  const ParameterStore a(one, device, 3), b(two, device, 3);
  CHECK(one.fc.weight.value().to_host<float>() == two.fc.weight.value().to_host<float>());
  CHECK(one.fc.bias.value().to_host<float>() == two.fc.bias.value().to_host<float>());
}

TEST_CASE("two members of one name are an error") {
  struct Twice : Module {
    void visit(Visitor& v) override { v("fc", a), v("fc", b); }
    Linear a{2, 2}, b{2, 2};
  } twice;
  CHECK_THROWS_WITH(ParameterStore(twice, reference(), 1), Catch::Contains("fc.weight"));
}

TEST_CASE("batch norm starts as the identity") {
  TinyNetwork network;
  const ParameterStore store(network, reference(), 1);
  CHECK(download(network.bn.weight.value()) == std::vector<double>(6, 1));
  CHECK(download(network.bn.bias.value()) == std::vector<double>(6, 0));
  CHECK(download(network.bn.running_mean.value()) == std::vector<double>(6, 0));
  CHECK(download(network.bn.running_var.value()) == std::vector<double>(6, 1));
}
