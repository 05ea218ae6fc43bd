// The gradient of every op: against central differences in float64, then float32 backends against float64.
#include <algorithm>
#include <cmath>
#include <set>

#include "tests/catch.h"
#include "tests/engine/devices.h"
#include "tests/engine/gradient_cases.h"

using namespace tessera;
using namespace tessera::test;

namespace {

double largest(const std::vector<double>& values) {
  double most = 0;
  for (const double v : values) most = std::max(most, std::abs(v));
  return most;
}

void require_close(const std::string& what, const std::vector<double>& values, const std::vector<double>& expected,
                   double tolerance) {
  REQUIRE(values.size() == expected.size());
  const double limit = tolerance * std::max(largest(expected), 1e-3);
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!(std::abs(values[i] - expected[i]) <= limit)) {
      FAIL_CHECK(what << ", element " << i << " of " << values.size() << ": " << values[i] << ", expected " << expected[i]);
      return;
    }
}

}  // namespace

TEST_CASE("gradients agree with central differences") {
  const auto device = reference();
  std::set<std::string> names;
  for (const GradientCase& c : gradient_cases()) {
    INFO(c.name);
    CHECK(names.insert(c.name).second);
    std::vector<std::vector<double>> inputs = input_values(c);
    const CaseResult analytic = run(c, inputs, device, DType::f64);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      std::vector<double> numeric;
      for (double& x : inputs[i]) {
        const double middle = x, h = 1e-5 * std::max(1.0, std::abs(x));
        x = middle + h;
        const double above = run(c, inputs, device, DType::f64, false).loss;
        x = middle - h;
        const double below = run(c, inputs, device, DType::f64, false).loss;
        x = middle;
        numeric.push_back((above - below) / (2 * h));
      }
      CHECK(largest(numeric) > 1e-6);  // a case that is flat tests nothing
      require_close(std::string("gradient of ") + c.inputs[i].name, analytic.gradients[i], numeric, 1e-6);
    }
  }
}

TEST_CASE("float32 backends give the outputs and gradients of float64") {
  const auto exact = reference();
  std::vector<std::string> backends = fast_backends();
  backends.push_back("reference");
  for (const std::string& name : backends) {
    const auto device = open(name);
    for (const GradientCase& c : gradient_cases()) {
      INFO(c.name << " on " << name);
      const std::vector<std::vector<double>> inputs = input_values(c);
      const CaseResult expected = run(c, inputs, exact, DType::f64), got = run(c, inputs, device, DType::f32);
      require_close("output", got.output, expected.output, 1e-4);
      for (std::size_t i = 0; i < inputs.size(); ++i)
        require_close(std::string("gradient of ") + c.inputs[i].name, got.gradients[i], expected.gradients[i], 1e-4);
    }
  }
}

TEST_CASE("an input that needs no gradient gets none, and the others the same as before") {
  for (const GradientCase& c : gradient_cases()) {
    if (c.inputs.size() < 2) continue;
    const std::vector<std::vector<double>> inputs = input_values(c);
    const auto device = reference();
    const CaseResult all = run(c, inputs, device, DType::f64);
    for (std::size_t only = 0; only < inputs.size(); ++only) {
      INFO(c.name << ", only " << c.inputs[only].name);
      StepStateBuffer state(device);
      state.write({.step = 3});
      std::vector<Variable> variables;
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        Tensor value = upload(device, c.inputs[i].shape, inputs[i], DType::f64);
        variables.push_back(i == only ? Variable::leaf(value) : Variable(value));
      }
      backward(weighted_sum(c.apply(variables, {device, DType::f64, state.device_pointer()})));
      REQUIRE(variables[only].grad());
      CHECK(download(variables[only].grad()) == all.gradients[only]);
    }
  }
}
