// Which kernels a linear layer's gradients take: one launch where sums are short, split sums where they are long.
#include "engine/ops/linear.h"

#include "engine/core/random.h"
#include "kernels/emulator/emulator.h"
#include "kernels/one_launch.h"
#include "tests/catch.h"
#include "tests/engine/devices.h"

using namespace tessera;
using namespace tessera::test;

namespace {

struct Layer {
  std::int64_t n, in, out;
};

std::vector<double> numbers(std::int64_t count, std::uint64_t stream) {
  RandomStream random(5, Purpose::test, stream);
  std::vector<double> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(2 * random.uniform() - 1);
  return values;
}

struct Gradients {
  std::vector<std::vector<double>> values;  // of x, w and bias
  std::int64_t launches;
};

Gradients gradients(const std::string& backend, const Layer& d) {
  const std::shared_ptr<Device> device = open(backend);
  const auto leaf = [&](const Shape& shape, std::uint64_t stream) {
    return Variable::leaf(upload(device, shape, numbers(shape.count(), stream), DType::f32));
  };
  const Variable x = leaf({d.n, d.in}, 1), w = leaf({d.out, d.in}, 2), bias = leaf({d.out}, 3);
  const Variable y = linear(x, w, bias, Activation::relu);
  const Tensor dy = upload(device, {d.n, d.out}, numbers(d.n * d.out, 4), DType::f32);
  const Tensor sum = Tensor::zeros(device, {1}, DType::f32);
  const auto before = kernels::emulated::counters().launches;
  backward(record("given gradient", sum, {y}, [dy, node = y.node()](const Tensor&) { node->pass(dy); }));
  Gradients all{{}, kernels::emulated::counters().launches - before};
  for (const Variable* v : {&x, &w, &bias}) all.values.push_back(download(v->grad()));
  return all;
}

}  // namespace

TEST_CASE("one launch makes a product whose blocks neither walk far nor are many") {
  using kernels::one_launch_gradients, kernels::one_launch_product;
  CHECK(one_launch_product(16, 4, 4096));
  CHECK_FALSE(one_launch_product(16, 4, 4097));
  CHECK(one_launch_product(512, 512, 16));
  CHECK_FALSE(one_launch_product(512, 512, 17));  // multiply-adds
  CHECK(one_launch_product(1 << 18, 1, 1));
  CHECK_FALSE(one_launch_product((1 << 18) + 1, 1, 1));  // blocks
  CHECK_FALSE(one_launch_product(std::int64_t{1} << 40, std::int64_t{1} << 40, 1));
  CHECK(one_launch_gradients(32, 400, 120));
  for (const Layer& d : {Layer{4096, 16, 4}, {4, 16, 4096}}) CHECK(one_launch_gradients(d.n, d.in, d.out));
  for (const Layer& d : {Layer{4097, 16, 4}, {4, 16, 4097}, {65536, 16, 4}, {1 << 22, 1, 1}, {8192, 512, 1}})
    CHECK_FALSE(one_launch_gradients(d.n, d.in, d.out));
}

TEST_CASE("a linear layer's gradients are right on both sides of the longest sum that one launch takes") {
  for (const bool batch : {true, false}) {
    for (const std::int64_t length : {kernels::longest_walk, kernels::longest_walk + 1}) {
      const Layer d{batch ? length : 3, 3, batch ? 2 : length};
      INFO("n " << d.n << ", in " << d.in << ", out " << d.out);
      const Gradients expected = gradients("reference", d);
      for (const std::string& backend : fast_backends()) {
        INFO(backend);
        const Gradients got = gradients(backend, d);
        if (backend == "emulated") CHECK((got.launches == 1) == (length == kernels::longest_walk));
        for (std::size_t i = 0; i < expected.values.size(); ++i) {
          REQUIRE(got.values[i].size() == expected.values[i].size());
          std::size_t close = 0;
          for (std::size_t j = 0; j < expected.values[i].size(); ++j)
            close += std::abs(got.values[i][j] - expected.values[i][j]) <= 1e-3;
          CHECK(close == expected.values[i].size());
        }
      }
    }
  }
}
