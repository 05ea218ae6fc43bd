// conv_norm's shortcuts against the two layers one after the other.
#include "engine/nn/conv_norm.h"

#include "engine/core/random.h"
#include "engine/nn/parameter_store.h"
#include "engine/nn/residual.h"
#include "engine/ops/arithmetic.h"
#include "tests/catch.h"
#include "tests/engine/devices.h"

using namespace tessera;
using namespace tessera::test;

namespace {

struct Unit : Module {
  Unit(std::int64_t stride, bool bias)
      : conv(3, 5, 3, {.stride = stride, .padding = Padding::keras_same(), .bias = bias}), norm(5, {.epsilon = 1e-3}) {}
  void visit(Visitor& v) override { v("conv", conv), v("norm", norm); }
  Conv2d conv;
  BatchNorm norm;
};

std::vector<double> numbers(std::int64_t count, std::uint64_t stream, double low, double high) {
  RandomStream random(3, Purpose::test, stream);
  std::vector<double> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(low + (high - low) * random.uniform());
  return values;
}

void set(const Tensor& tensor, std::uint64_t stream, double low, double high) {
  const std::vector<double> values = numbers(tensor.count(), stream, low, high);
  const std::vector<float> narrow(values.begin(), values.end());
  tensor.copy_from(std::span<const float>(narrow));
}

struct Setting {
  std::int64_t stride;
  bool bias, residual;
  Activation activation;
};
constexpr Setting settings[] = {{1, false, false, Activation::relu},
                                {1, true, true, Activation::relu},
                                {2, true, false, Activation::none},
                                {2, false, true, Activation::none}};

// The unit's output and everything that a pass leaves behind: running statistics and gradients.
struct Result {
  std::vector<double> y;
  std::vector<std::vector<double>> rest;
};

Result run(const std::string& backend, const Setting& s, bool training, bool fused) {
  const std::shared_ptr<Device> device = open(backend);
  Unit unit(s.stride, s.bias);
  ParameterStore store(unit, device, 4);
  if (s.bias) set(unit.conv.bias.value(), 1, -1, 1);
  set(unit.norm.weight.value(), 2, 0.5, 1.5);
  set(unit.norm.bias.value(), 3, -1, 1);
  set(unit.norm.running_mean.value(), 4, -1, 1);
  set(unit.norm.running_var.value(), 5, 0.5, 2);
  const Shape in{3, 7, 9, 3}, out{3, s.stride == 1 ? 7 : 4, s.stride == 1 ? 9 : 5, 5};
  const Variable x = Variable::leaf(upload(device, in, numbers(in.count(), 6, -1, 1), DType::f32));
  const Variable residual =
      s.residual ? Variable::leaf(upload(device, out, numbers(out.count(), 7, -1, 1), DType::f32)) : Variable();
  const Context context{.training = training, .gradients = training};
  const Variable given = training ? x : Variable(x.value()), added = training ? residual : Variable(residual.value());
  const Variable y = fused ? conv_norm(context, unit.conv, unit.norm, given, s.activation, added)
                           : unit.norm(context, unit.conv(context, given), s.activation, added);
  Result result{download(y.value()), {}};
  for (const Buffer* buffer : store.buffers()) result.rest.push_back(download(buffer->value()));
  if (!training) return result;

  const Tensor sum = Tensor::empty(device, {1}, DType::f32),
               weights = upload(device, out, numbers(out.count(), 8, -1, 1), DType::f32);
  device->run(&Backend::sum, 1, y.value(), {sum, false});
  backward(record("weighted sum", sum, {y}, [weights, dy = y.node()](const Tensor&) { dy->pass(weights); }));
  for (const Parameter* parameter : store.parameters()) result.rest.push_back(download(parameter->node()->grad()));
  result.rest.push_back(download(x.grad()));
  if (s.residual) result.rest.push_back(download(residual.grad()));
  return result;
}

void check_close(const std::vector<double>& got, const std::vector<double>& expected) {
  REQUIRE(got.size() == expected.size());
  double largest = 1;  // a bias in front of batch norm has a gradient of zero, but for rounding
  for (const double e : expected) largest = std::max(largest, std::abs(e));
  for (std::size_t i = 0; i < got.size(); ++i) {
    INFO("element " << i << ": " << got[i] << ", expected " << expected[i]);
    CHECK(std::abs(got[i] - expected[i]) <= 1e-5 * largest);
  }
}

}  // namespace

TEST_CASE("a convolution with its batch norm folded in gives what the two layers give") {
  for (const std::string& backend : fast_backends())
    for (const Setting& s : settings) {
      INFO(backend << ", stride " << s.stride);
      check_close(run(backend, s, false, true).y, run("reference", s, false, false).y);
    }
}

TEST_CASE("in training, conv_norm gives the outputs, statistics and gradients of the two layers") {
  for (const std::string& backend : fast_backends())
    for (const Setting& s : settings) {
      INFO(backend << ", stride " << s.stride);
      const Result fused = run(backend, s, true, true), plain = run("reference", s, true, false);
      check_close(fused.y, plain.y);
      REQUIRE(fused.rest.size() == plain.rest.size());
      for (std::size_t i = 0; i < plain.rest.size(); ++i) check_close(fused.rest[i], plain.rest[i]);
    }
}

// The other way round the projection, which reads a quarter of x, would write zeros to the rest, and the 3×3 read all of it.
TEST_CASE("where a unit halves the map, its projection adds to the gradient that the 3×3 convolution has written") {
  static std::vector<std::pair<std::int64_t, bool>> calls;  // rows of the filter, and does it add?
  calls.clear();
  Backend table = kernels::overlay(kernels::reference_backend(), "watching", kernels::reference_backend().runtime);
  table.conv2d_backward = kernels::none;
  table.conv2d_backward_data = +[](kernels::Stream& stream, const kernels::Conv2dShape& shape, kernels::ConstView dy,
                                   kernels::ConstView w, kernels::Gradient dx) {
    calls.emplace_back(shape.r, dx.accumulate);
    kernels::reference_backend().conv2d_backward_data(stream, shape, dy, w, dx);
  };
  const auto device = Device::open({.device = "watching"}, table);
  ResidualUnit unit(4, 8, {.stride = 2, .project = true});
  const ParameterStore store(unit, device, 1);
  const Variable x = Variable::leaf(upload(device, {2, 6, 6, 4}, numbers(2 * 6 * 6 * 4, 1, -1, 1), DType::f32));
  backward(mean(square(unit({.training = true, .gradients = true}, x))));
  CHECK(calls == std::vector<std::pair<std::int64_t, bool>>{{3, false}, {3, false}, {1, true}});
}
