// A network in use (nn/inference.h): as its forward pass, without its work.
#include "engine/nn/inference.h"

#include <cmath>
#include <functional>

#include "engine/core/random.h"
#include "engine/nn/conv_norm.h"
#include "engine/nn/parameter_store.h"
#include "engine/nn/residual.h"
#include "tests/catch.h"
#include "tests/engine/devices.h"

using namespace tessera;
using namespace tessera::test;

namespace {

// A bit of everything that inference meets: folded batch norms, a residual add, a stride, columns put together, dense layers.
struct Mixed : Network {
  Variable forward(const Context& context, const Variable& x) override {
    ++passes;
    if (in_pass) in_pass(x);
    Variable y = unit(context, conv_norm(context, stem, norm, x, Activation::relu));
    y = concat({y, activate(y, Activation::silu)});
    return head(context, hidden(context, flatten(context, pool(context, y))));
  }
  void visit(Visitor& v) override {
    v("stem", stem), v("norm", norm), v("unit", unit), v("hidden", hidden), v("head", head);
  }

  int passes = 0;
  std::function<void(const Variable& x)> in_pass;
  Conv2d stem{3, 16, 3, {.padding = Padding::all(1), .bias = false}};
  BatchNorm norm{16};
  ResidualUnit unit{16, 32, {.stride = 2, .project = true}};
  MaxPool pool;
  Flatten flatten;
  Linear hidden{64 * 4 * 4, 32, {.activation = Activation::relu}};
  Linear head{32, 5};
};

struct Subject {
  explicit Subject(const DeviceRequest& request = {.device = "cpu", .options = {.threads = 2}})
      : device(Device::open(request)), parameters(network, device, 3) {
    // Statistics as after some training.
    for (const Buffer* buffer : parameters.buffers()) {
      std::vector<float> values = buffer->value().to_host<float>();
      for (std::size_t i = 0; i < values.size(); ++i) values[i] += 0.01f * static_cast<float>(i % 7);
      buffer->value().copy_from(std::span<const float>(values));
    }
  }
  Tensor images(std::int64_t count, std::uint64_t seed = 1) const {
    RandomStream random(seed, Purpose::test, 0);
    std::vector<float> values(static_cast<std::size_t>(count * 16 * 16 * 3));
    for (float& v : values) v = static_cast<float>(random.below(2001)) / 1000 - 1;
    return convert(Tensor::from(device, {count, 16, 16, 3}, values), device->activation_type()).value();
  }
  std::vector<float> plain(const Tensor& x) {
    return convert(network.forward({}, Variable(x)), DType::f32).value().to_host<float>();
  }

  std::shared_ptr<Device> device;
  Mixed network;
  ParameterStore parameters;
};

void check_near(const std::vector<float>& got, const std::vector<float>& expected, double share) {
  REQUIRE(got.size() == expected.size());
  float largest = 0;
  for (const float v : expected) largest = std::max(largest, std::abs(v));
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(std::abs(got[i] - expected[i]) <= share * largest);
}

}  // namespace

TEST_CASE("inference: prepared once, it gives the outputs of the forward pass for any images of the shape") {
  for (const auto& [precision, tolerance] : {std::pair{Precision::fp32, 1e-5}, std::pair{Precision::bf16, 2e-2}}) {
    Subject s({.device = "cpu", .options = {.threads = 2}, .precision = precision});
    Inference infer(s.network);
    for (const std::int64_t count : {1, 5, 1, 5})
      for (const std::uint64_t seed : {1, 2}) {
        const Tensor x = s.images(count, seed);
        check_near(infer(x).to_host<float>(), s.plain(x), tolerance);
      }
    CHECK(s.network.passes == 2 + 8);  // one for each shape, and those compared with
  }
}

TEST_CASE("inference: from the second batch of a shape on nothing is allocated") {
  Subject s;
  Inference infer(s.network);
  const Tensor x = s.images(3);
  (void)infer(x), (void)infer(x);
  const std::size_t before = s.device->fresh_allocations(), in_use = s.device->bytes_in_use();
  for (int i = 0; i < 3; ++i) (void)infer(x);
  CHECK(s.device->fresh_allocations() == before);
  CHECK(s.device->bytes_in_use() == in_use);
}

TEST_CASE("inference: the same bits for any number of threads and in every call") {
  std::vector<std::vector<float>> all;
  for (const int threads : {1, 2, 3, 7}) {
    Subject s({.device = "cpu", .options = {.threads = threads}});
    Inference infer(s.network);
    for (int i = 0; i < 2; ++i) all.push_back(infer(s.images(2)).to_host<float>());
  }
  for (const std::vector<float>& outputs : all) CHECK(outputs == all.front());
}

TEST_CASE("inference: a batch norm is folded once, and what a list of calls holds is what depends on the images") {
  Subject s;
  kernels::KeptWeights weights;
  std::vector<Tensor> constants;
  for (const Parameter* p : s.parameters.parameters())
    if (*p) constants.push_back(p->value());
  for (const Buffer* b : s.parameters.buffers()) constants.push_back(b->value());
  const Tensor x = s.images(1);
  Tensor outputs;
  const auto pass = [&] { outputs = s.network.forward({}, Variable(x)).value(); };
  const std::optional<CallList> list = CallList::note(s.device, weights, constants, x, pass);
  REQUIRE(list);
  // stem, three convolutions of the unit; silu; two copies of columns; pool, permute; two dense layers.
  CHECK(list->size() == 11);
  CHECK(weights.size() == 6);
  // Without the statistics among the constants the folds are part of every pass.
  constants.pop_back();
  CHECK_FALSE(CallList::note(s.device, weights, constants, x, pass));  // memory that nobody spoke of
}

TEST_CASE("inference: a pass that is more than its kernels is done as it is") {
  Subject s;
  const Tensor x = s.images(1);
  int calls = 0;
  SECTION("it looks at values") {
    s.network.in_pass = [&](const Variable& v) { calls += v.value().to_host<float>().empty() ? 0 : 1; };
  }
  SECTION("it sets memory to zero") {
    s.network.in_pass = [&](const Variable& v) { calls += Tensor::zeros(v.value().device(), {4}, DType::f32) ? 1 : 0; };
  }
  SECTION("it looks at values, and they must be right") {
    s.network.in_pass = [&](const Variable& v) {
      if (v.value().to_host<float>().empty() || calls++ == 0) throw Error(ExitCode::failure, "these are no images");
    };
  }
  Inference infer(s.network);
  for (int i = 0; i < 3; ++i) {
    const std::vector<float> outputs = infer(x).to_host<float>();
    CHECK(outputs == s.plain(x));
  }
  CHECK(calls == 1 + 3 + 3);
}

TEST_CASE("inference: more shapes than are remembered") {
  Subject s;
  Inference infer(s.network);
  for (int round = 0; round < 2; ++round)
    for (const std::int64_t count : {1, 2, 3, 4, 5, 6}) {
      const Tensor x = s.images(count);
      check_near(infer(x).to_host<float>(), s.plain(x), 1e-5);
    }
}

TEST_CASE("inference: on every backend") {
  for (const std::string& name : fast_backends()) {
    Subject s({.device = name});
    Inference infer(s.network);
    const Tensor x = s.images(1);
    for (int i = 0; i < 2; ++i) check_near(infer(x).to_host<float>(), s.plain(x), 1e-5);
  }
}
