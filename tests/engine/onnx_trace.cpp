// Networks as ONNX graphs: what becomes a node, what a constant. Values are compared in onnxruntime (scripts/check-exchange).
#include "engine/run/onnx_trace.h"

#include <cmath>

#include "engine/nn/conv_norm.h"
#include "engine/nn/layers.h"
#include "engine/ops/arithmetic.h"
#include "engine/ops/concat.h"
#include "engine/ops/elementwise.h"
#include "tests/catch.h"

using namespace tessera;

namespace {

std::vector<std::string> ops_of(const OnnxModel& model) {
  std::vector<std::string> ops;
  for (const OnnxNode& node : model.nodes) ops.push_back(node.op);
  return ops;
}
const OnnxConstant& constant(const OnnxModel& model, const std::string& name) {
  for (const OnnxConstant& one : model.constants)
    if (one.name == name) return one;
  FAIL("no constant " << name);
  throw std::logic_error(name);
}

struct ConvNormNetwork : Network {
  Variable forward(const Context& context, const Variable& x) override {
    return linear(context, flatten(context, conv_norm(context, conv, norm, x, Activation::relu)));
  }
  void visit(Visitor& v) override { v("conv", conv), v("norm", norm), v("linear", linear); }
  Conv2d conv{3, 4, 3, {.stride = 2, .padding = Padding::all(1), .bias = false}};
  BatchNorm norm{4};
  Flatten flatten;
  Linear linear{4 * 16 * 16, 5};
};

// Layers that no network of the catalogue has, or not in this order.
struct Composed : Network {
  Variable forward(const Context& context, const Variable& x) override {
    Variable y = activate(norm(context, x), Activation::gelu);
    y = pool(context, y);
    return linear(context, flatten(context, 0.5 * square(y) - row.in(context)));
  }
  void visit(Visitor& v) override { v("norm", norm), v("row", row), v("linear", linear); }
  BatchNorm norm{3};
  Parameter row{{3}, Init::zeros, {}};
  AveragePool pool;
  Flatten flatten;
  Linear linear{3 * 16 * 16, 2};
};

// Branches of maps that meet again, a residual, groups, and a norm of rows.
struct Branches : Network {
  Variable forward(const Context& context, const Variable& x) override {
    const Variable y = activate(wide(context, x), Activation::silu), z = grouped(context, y);
    const Variable joined = concat({y + z, activate(y / z, Activation::sigmoid)});
    return linear(context, norm(context, mean(context, joined)));
  }
  void visit(Visitor& v) override {
    v("wide", wide), v("grouped", grouped), v("mean", mean), v("norm", norm), v("linear", linear);
  }
  Conv2d wide{3, 4, 3, {.padding = Padding::all(1)}};
  Conv2d grouped{4, 4, 3, {.padding = Padding::all(1), .bias = false, .groups = 2}};
  GlobalAveragePool mean;
  LayerNorm norm{8};
  Linear linear{8, 2};
};

struct Constant : Network {
  Variable forward(const Context& context, const Variable&) override { return row.in(context)*row.in(context); }
  void visit(Visitor& v) override { v("row", row); }
  Parameter row{{1, 2}, Init::ones, {}};
};

struct ImageConstant : Network {
  Variable forward(const Context& context, const Variable& x) override {
    return linear(context, flatten(context, x + image.in(context)));
  }
  void visit(Visitor& v) override { v("image", image), v("linear", linear); }
  Parameter image{{1, 32, 32, 3}, Init::ones, {}};
  Flatten flatten;
  Linear linear{3 * 32 * 32, 2};
};

struct Squares : Network {
  Variable forward(const Context& context, const Variable& x) override {
    return linear(context, flatten(context, x * sum(x)));
  }
  void visit(Visitor& v) override { v("linear", linear); }
  Flatten flatten;
  Linear linear{3 * 32 * 32, 2};
};

}  // namespace

TEST_CASE("ONNX: a batch norm behind a convolution is folded into its filters") {
  ConvNormNetwork network;
  const ParameterStore parameters(network, open_onnx_device(), 1);
  const float variance = 4.0f, mean = 0.5f;
  network.norm.running_var.value().copy_from(std::span<const float>(std::vector<float>(4, variance)));
  network.norm.running_mean.value().copy_from(std::span<const float>(std::vector<float>(4, mean)));
  const OnnxModel model = onnx_model(network, parameters);
  CHECK(ops_of(model) == std::vector<std::string>{"Conv", "Relu", "Flatten", "Gemm", "Identity"});
  CHECK(model.input.name == "images");
  CHECK(model.input.dims == std::vector<std::int64_t>{-1, 3, 32, 32});
  CHECK(model.output.dims == std::vector<std::int64_t>{-1, 5});

  const OnnxConstant& filters = constant(model, "conv.weight");
  CHECK(filters.dims == std::vector<std::int64_t>{4, 3, 3, 3});
  const std::vector<float> ours = network.conv.weight.value().to_host<float>();  // [K,R,S,C]
  const double scale = 1 / std::sqrt(variance + network.norm.options.epsilon);
  for (std::size_t k = 0; k < 4; ++k)
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t tap = 0; tap < 9; ++tap)
        CHECK(filters.values[(k * 3 + c) * 9 + tap] == Approx(ours[(k * 9 + tap) * 3 + c] * scale));
  CHECK(constant(model, "conv.weight.shift").values[0] == Approx(-mean * scale));
}

TEST_CASE("ONNX: layers are composed of the format's ops") {
  Composed network;
  const ParameterStore parameters(network, open_onnx_device(), 1);
  CHECK(ops_of(onnx_model(network, parameters)) == std::vector<std::string>{"BatchNormalization", "Mul", "Erf", "Mul", "Add",
                                                                            "Mul", "AveragePool", "Mul", "Mul", "Sub",
                                                                            "Flatten", "Gemm", "Identity"});
  const Normalization normalization{{0.5f, 0.5f, 0.5f}, {0.25f, 0.25f, 0.25f}};
  const OnnxModel model = onnx_model(network, parameters, &normalization);
  CHECK(model.input.type == OnnxType::uint8);
  CHECK(model.input.dims == std::vector<std::int64_t>{-1, 32, 32, 3});
  CHECK(constant(model, "preprocessing.factor").values[0] == Approx(4.0 / 255));
  CHECK(constant(model, "preprocessing.offset").values[2] == Approx(-2.0));
}

TEST_CASE("ONNX: branches that meet, groups, and norms of rows") {
  Branches network;
  const ParameterStore parameters(network, open_onnx_device(), 1);
  const OnnxModel model = onnx_model(network, parameters);
  CHECK(ops_of(model) == std::vector<std::string>{"Conv", "Sigmoid", "Mul", "Conv", "Add", "Div", "Sigmoid", "Concat",
                                                  "GlobalAveragePool", "Flatten", "LayerNormalization", "Gemm", "Identity"});
  CHECK(constant(model, "grouped.weight").dims == std::vector<std::int64_t>{4, 2, 3, 3});
  CHECK(constant(model, "wide.bias").dims == std::vector<std::int64_t>{4});
  CHECK(model.output.dims == std::vector<std::int64_t>{-1, 2});
}

TEST_CASE("ONNX: what has no translation is an error that names it") {
  const auto refused = [](Network& network, const char* reason) {
    const ParameterStore parameters(network, open_onnx_device(), 1);
    CHECK_THROWS_WITH(onnx_model(network, parameters), Catch::Contains(reason));
  };
  Squares squares;
  refused(squares, "cannot be written as ONNX: the slot sum");
  Constant constant;
  refused(constant, "outputs do not depend on its images");
  ImageConstant image;
  refused(image, "arithmetic with a constant of an image's size");
}
