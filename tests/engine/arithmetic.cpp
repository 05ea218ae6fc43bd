// Arithmetic of values: what shapes and types meet, and a loss of one's own.
#include "engine/ops/arithmetic.h"

#include "engine/ops/conv2d.h"
#include "engine/ops/loss.h"
#include "tests/catch.h"
#include "tests/engine/devices.h"

using namespace tessera;
using namespace tessera::test;

TEST_CASE("operands that do not fit are an error that names both shapes") {
  const auto device = reference();
  const auto ones = [&](const Shape& shape) {
    return Variable(Tensor::from(device, shape,
                                 std::span<const float>(std::vector<float>(static_cast<std::size_t>(shape.count()), 1.0f))));
  };
  CHECK_THROWS_WITH(ones({2, 3}) + ones({2}), Catch::Contains("[add]") && Catch::Contains("[2, 3]") &&
                                                  Catch::Contains("[2]") && Catch::Contains("a row [3]"));
  CHECK_THROWS_AS(ones({2, 3}) / ones({3, 2}), ShapeError);
  CHECK_THROWS_AS(ones({2, 3}) * Variable(), ShapeError);
  CHECK_THROWS_AS(mean_squared_error(ones({4, 1}), ones({4})), ShapeError);
  CHECK_THROWS_WITH(conv2d(ones({1, 4, 4, 6}), ones({4, 3, 3, 2}), {}, {.groups = 4}), Catch::Contains("4 groups"));
  CHECK_THROWS_WITH(conv2d(ones({1, 4, 4, 6}), ones({4, 3, 3, 2}), {}, {.groups = 2}), Catch::Contains("in 2 groups"));
}

TEST_CASE("beside images in bf16 a row stays float32, and so does its gradient") {
  const auto device = Device::open({.device = "cpu", .options = {.threads = 1}, .precision = Precision::bf16});
  const auto values = [&](const Shape& shape, const std::vector<float>& v) {
    return Tensor::from(device, shape, std::span<const float>(v));
  };
  const Variable x = Variable(values({2, 2}, {1, 2, 3, 4})).as(DType::bf16);
  const Variable row = Variable::leaf(values({2}, {0.5f, -2}));
  const Variable y = x * row - row;
  CHECK(y.value().dtype() == DType::bf16);
  const Variable total = sum(y);
  CHECK(total.value().dtype() == DType::f32);
  CHECK(total.value().to_host<float>() == std::vector<float>{0.5f * (1 + 3 - 2) - 2 * (2 + 4 - 2)});
  backward(total);
  CHECK(row.grad().dtype() == DType::f32);
  CHECK(row.grad().to_host<float>() == std::vector<float>{1 + 3 - 2, 2 + 4 - 2});
}
