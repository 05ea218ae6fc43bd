#include "tests/engine/gradient_cases.h"

#include "engine/core/random.h"
#include "engine/ops/arithmetic.h"
#include "engine/ops/batch_norm.h"
#include "engine/ops/concat.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/layer_norm.h"
#include "engine/ops/linear.h"
#include "engine/ops/loss.h"
#include "engine/ops/pool.h"
#include "tests/engine/devices.h"

namespace tessera::test {
namespace {

using Inputs = std::vector<Variable>;

GradientCase convolution(std::string name, const Shape& x, const Shape& w, bool bias, const Conv2dOptions& options) {
  std::vector<CaseInput> inputs{{"x", x}, {"w", w}};
  if (bias) inputs.push_back({"bias", {w[0]}});
  return {"conv2d/" + name, inputs, [options](const Inputs& in, const CaseContext&) {
            return conv2d(in[0], in[1], in.size() > 2 ? in[2] : Variable(), options);
          }};
}

GradientCase normalization(std::string name, const Shape& x, Activation activation, bool batch_statistics,
                           const char* residual) {
  const std::int64_t c = x.last();
  std::vector<CaseInput> inputs{{"x", x, 0.5, 2.0}, {"gamma", {c}, 1.0, 0.3}, {"beta", {c}}};
  const bool own = residual == std::string("x"), other = residual == std::string("other");
  if (other) inputs.push_back({"residual", x});
  return {
      "batch_norm/" + name, inputs, [=](const Inputs& in, const CaseContext& context) {
        const BatchNormParams params{.epsilon = 1e-3, .momentum = 0.1, .unbiased_variance = true, .activation = activation};
        return batch_norm(in[0],
                          own     ? in[0]
                          : other ? in[3]
                                  : Variable(),
                          in[1], in[2], context.constant({c}, 0.25), context.constant({c}, 1.5), params, batch_statistics);
      }};
}

GradientCase pooling(std::string name, const Shape& x, const Pool2dOptions& options) {
  return {
      "max_pool/" + name, {{"x", x}}, [options](const Inputs& in, const CaseContext&) { return max_pool(in[0], options); }};
}

// Every activation by itself and behind a product, where some are fused and some are not.
void add_activations(std::vector<GradientCase>& all) {
  for (const kernels::ActivationEntry& entry : kernels::activations) {
    const Activation f = entry.activation;
    if (f == Activation::none) continue;
    all.push_back({std::string("activation/") + entry.name, {{"x", {3, 4, 5}}}, [f](const Inputs& in, const CaseContext&) {
                     return activate(in[0], f);
                   }});
    all.push_back({std::string("linear/bias, ") + entry.name,
                   {{"x", {6, 9}}, {"w", {8, 9}}, {"bias", {8}}},
                   [f](const Inputs& in, const CaseContext&) { return linear(in[0], in[1], in[2], f); }});
    all.push_back(convolution(std::string("3x3 same, bias, ") + entry.name, {2, 8, 8, 4}, {5, 3, 3, 4}, true,
                              {.padding = Padding::keras_same(), .activation = f}));
    all.push_back(normalization(std::string("batch statistics, residual, ") + entry.name, {4, 3, 3, 5}, f, true, "other"));
  }
}

// Every operation on operands of one shape, with a row and with one element on either side, and with one value twice.
void add_arithmetic(std::vector<GradientCase>& all) {
  struct Operation {
    const char* name;
    Variable (*apply)(const Variable&, const Variable&);
  };
  const Operation operations[] = {
      {"add", operator+ }, {"subtract", operator- }, {"multiply", operator* }, {"divide", operator/ } };
  struct Operands {
    const char* name;
    Shape a, b;
  };
  const Operands operands[] = {{"one shape", {2, 3, 4}, {2, 3, 4}},
                               {"a row", {5, 3}, {3}},
                               {"of a row", {3}, {2, 4, 3}},
                               {"one element", {4, 3}, {1}},
                               {"of one element", {1}, {4, 3}}};
  for (const Operation& op : operations) {
    const auto name = [&](const char* what) { return std::string(op.name) + "/" + what; };
    for (const Operands& o : operands)  // divisors away from 0
      all.push_back({name(o.name), {{"a", o.a}, {"b", o.b, 2.5, 0.3}}, [op](const Inputs& in, const CaseContext&) {
                       return op.apply(in[0], in[1]);
                     }});
    if (op.apply != operations[1].apply && op.apply != operations[3].apply)
      all.push_back({name("one value twice"), {{"x", {2, 3, 4}}}, [op](const Inputs& in, const CaseContext&) {
                       return op.apply(in[0], in[0]);
                     }});
  }
  all.push_back({"scale", {{"x", {5, 3}}}, [](const Inputs& in, const CaseContext&) { return -0.7 * in[0]; }});
  all.push_back({"square", {{"x", {5, 3}}}, [](const Inputs& in, const CaseContext&) { return square(in[0]); }});
  all.push_back({"sum", {{"x", {5, 3}}}, [](const Inputs& in, const CaseContext&) { return sum(in[0]); }});
  all.push_back({"mean", {{"x", {2, 5, 3}}}, [](const Inputs& in, const CaseContext&) { return mean(in[0]); }});
  all.push_back({"mean_squared_error", {{"x", {5, 3}}, {"t", {5, 3}}}, [](const Inputs& in, const CaseContext&) {
                   return mean_squared_error(in[0], in[1]);
                 }});
}

std::vector<GradientCase> plain_cases() {
  constexpr auto none = Activation::none, relu = Activation::relu, sigmoid = Activation::sigmoid;
  const Padding same = Padding::keras_same();
  return {
      convolution("3x3 valid", {2, 6, 5, 3}, {4, 3, 3, 3}, false, {}),
      convolution("3x3 same, bias", {2, 6, 5, 3}, {4, 3, 3, 3}, true, {.padding = same}),
      convolution("3x3 same, sigmoid", {2, 5, 5, 2}, {3, 3, 3, 2}, false, {.padding = same, .activation = sigmoid}),
      convolution("3x3 stride 2 same, even input", {2, 8, 6, 3}, {4, 3, 3, 3}, true, {.stride = 2, .padding = same}),
      convolution("3x3 stride 2 padding 1", {2, 7, 8, 3}, {4, 3, 3, 3}, false, {.stride = 2, .padding = Padding::all(1)}),
      convolution("1x1 stride 2", {2, 6, 6, 5}, {3, 1, 1, 5}, false, {.stride = 2}),
      convolution("5x5 valid", {1, 9, 9, 2}, {3, 5, 5, 2}, true, {}),
      convolution("7x7 stride 2 same", {1, 12, 12, 3}, {2, 7, 7, 3}, false, {.stride = 2, .padding = same}),
      convolution("3x3 asymmetric padding", {1, 5, 6, 2}, {2, 3, 3, 2}, true, {.padding = {2, 0, 1, 3}}),
      convolution("3x3 same, many channels", {1, 6, 6, 17}, {19, 3, 3, 17}, false, {.padding = same}),
      convolution("depthwise 3x3, bias, relu", {2, 6, 5, 3}, {3, 3, 3, 1}, true,
                  {.padding = same, .activation = relu, .groups = 3}),
      convolution("depthwise 3x3 stride 2, two filters a channel", {1, 7, 8, 4}, {8, 3, 3, 1}, false,
                  {.stride = 2, .padding = Padding::all(1), .groups = 4}),
      convolution("3x3 in groups of three", {2, 5, 5, 6}, {4, 3, 3, 3}, true, {.padding = same, .groups = 2}),

      {"linear/bias",
       {{"x", {3, 7}}, {"w", {5, 7}}, {"bias", {5}}},
       [](const Inputs& in, const CaseContext&) { return linear(in[0], in[1], in[2]); }},
      {"linear/no bias",
       {{"x", {4, 6}}, {"w", {3, 6}}},
       [](const Inputs& in, const CaseContext&) { return linear(in[0], in[1], {}); }},

      normalization("batch statistics", {4, 3, 3, 5}, none, true, ""),
      normalization("batch statistics, relu", {4, 3, 3, 5}, relu, true, ""),
      normalization("batch statistics, residual", {4, 3, 3, 5}, none, true, "other"),
      normalization("batch statistics, x as its own residual", {4, 3, 3, 5}, none, true, "x"),
      normalization("batch statistics, x as its own residual, relu", {4, 3, 3, 5}, relu, true, "x"),
      normalization("batch statistics, rows and columns", {6, 4}, none, true, ""),
      normalization("running statistics", {2, 3, 3, 5}, none, false, ""),
      normalization("running statistics, residual, relu", {2, 3, 3, 5}, relu, false, "other"),
      normalization("running statistics, x as its own residual, relu", {2, 3, 3, 5}, relu, false, "x"),

      {"layer_norm/rows",
       {{"x", {4, 7}, 0.5, 2}, {"gamma", {7}, 1, 0.3}, {"beta", {7}}},
       [](const Inputs& in, const CaseContext&) { return layer_norm(in[0], in[1], in[2], 1e-3); }},
      {"layer_norm/images",
       {{"x", {2, 3, 2, 5}, 0.5, 2}, {"gamma", {5}, 1, 0.3}, {"beta", {5}}},
       [](const Inputs& in, const CaseContext&) { return layer_norm(in[0], in[1], in[2], 1e-3); }},

      pooling("2x2", {2, 6, 6, 3}, {}),
      pooling("3x3 stride 2, overlapping", {2, 9, 8, 3}, {.window = 3, .stride = 2}),
      pooling("3x3 stride 2 same", {2, 8, 8, 3}, {.window = 3, .stride = 2, .padding = same}),
      pooling("2x2 stride 1 same", {1, 6, 5, 2}, {.window = 2, .stride = 1, .padding = same}),
      pooling("3x3 stride 2 padding 1", {1, 8, 8, 2}, {.window = 3, .stride = 2, .padding = Padding::all(1)}),
      {"average_pool/2x2",
       {{"x", {2, 6, 6, 3}}},
       [](const Inputs& in, const CaseContext&) { return average_pool(in[0], {}); }},
      {"average_pool/3x3 stride 2 same",
       {{"x", {2, 8, 7, 3}}},
       [=](const Inputs& in, const CaseContext&) {
         return average_pool(in[0], {{.window = 3, .stride = 2, .padding = same}, false});
       }},
      {"average_pool/3x3 stride 1 padding 1, counted",
       {{"x", {1, 5, 6, 2}}},
       [](const Inputs& in, const CaseContext&) {
         return average_pool(in[0], {{.window = 3, .stride = 1, .padding = Padding::all(1)}, true});
       }},
      {"global_average_pool",
       {{"x", {3, 4, 5, 6}}},
       [](const Inputs& in, const CaseContext&) { return global_average_pool(in[0]); }},

      {"concat/three",
       {{"a", {2, 3, 2, 4}}, {"b", {2, 3, 2, 1}}, {"c", {2, 3, 2, 6}}},
       [](const Inputs& in, const CaseContext&) {
         return concat({in[0], in[1], in[2]});
       }},
      {"concat/one twice",
       {{"a", {5, 4}}, {"b", {5, 8}}},
       [](const Inputs& in, const CaseContext&) {
         return concat({in[0], in[1], in[0]});
       }},
      {"dropout",
       {{"x", {4, 50}}},
       [](const Inputs& in, const CaseContext& context) {
         return dropout(in[0], {.probability = 0.3, .seed = 7, .layer = 2}, context.state);
       }},
      {"flatten/reorders", {{"x", {2, 3, 4, 5}}}, [](const Inputs& in, const CaseContext&) { return flatten(in[0]); }},
      {"flatten/keeps the order",
       {{"x", {2, 1, 1, 5}}},
       [](const Inputs& in, const CaseContext&) { return flatten(in[0]); }},

      {"softmax_cross_entropy",
       {{"logits", {4, 6}, 0, 3}},
       [](const Inputs& in, const CaseContext& c) {
         return softmax_cross_entropy(in[0], c.labels({5, 0, 2, 2}));
       }},
      {"softmax_cross_entropy/smoothing",
       {{"logits", {3, 10}, 0, 3}},
       [](const Inputs& in, const CaseContext& c) {
         return softmax_cross_entropy(in[0], c.labels({9, 0, 4}), 0.1);
       }},
      {"sigmoid_cross_entropy",
       {{"logits", {5, 1}, 0, 3}},
       [](const Inputs& in, const CaseContext& c) {
         return sigmoid_cross_entropy(in[0], c.labels({0, 1, 1, 0, 1}));
       }},
      {"softmax_cross_entropy/weights",
       {{"logits", {4, 6}, 0, 3}},
       [](const Inputs& in, const CaseContext& c) {
         return softmax_cross_entropy(in[0], c.labels({5, 0, 2, 2}), 0.1, c.constant({4}, 0.3));
       }},
      {"sigmoid_cross_entropy/smoothing, weights",
       {{"logits", {5, 1}, 0, 3}},
       [](const Inputs& in, const CaseContext& c) {
         return sigmoid_cross_entropy(in[0], c.labels({0, 1, 1, 0, 1}), 0.2, c.constant({5}, 2.5));
       }},
      {"l2_penalty", {{"w", {5, 7}}}, [](const Inputs& in, const CaseContext&) { return l2_penalty(in[0], 0.01); }},

      // Graphs: a value used more than once, and pass-through gradients that meet accumulating ones.
      {"graph/diamond",
       {{"x", {2, 5}}, {"w", {5, 5}}},
       [](const Inputs& in, const CaseContext&) {
         const Variable a = linear(in[0], in[1], {}), b = activate(a, Activation::sigmoid);
         return add(linear(a, in[1], {}), linear(b, in[1], {}));
       }},
      {"graph/used three times",
       {{"x", {2, 5}}, {"w", {5, 5}}},
       [](const Inputs& in, const CaseContext&) {
         const Variable y = linear(in[0], in[1], {});
         return add(add(y, activate(y, Activation::sigmoid)), linear(y, in[1], {}));
       }},
      {"graph/residual unit",
       {{"x", {2, 4, 4, 3}}, {"w", {3, 3, 3, 3}}},
       [=](const Inputs& in, const CaseContext&) {
         const Variable inner = conv2d(in[0], in[1], {}, {.padding = same, .activation = Activation::relu});
         const Variable once = add(conv2d(inner, in[1], {}, {.padding = same}), in[0]);
         return add(conv2d(once, in[1], {}, {.padding = same}), once);
       }},
      // d(a+b) goes to both operands as one tensor; then a's gradient grows, and b's must not.
      {"graph/one branch of an add grows",
       {{"a", {3, 4}}, {"b", {3, 4}}},
       [](const Inputs& in, const CaseContext&) {
         const Variable a = activate(in[0], Activation::sigmoid), b = activate(in[1], Activation::sigmoid);
         return add(add(a, b), activate(a, Activation::sigmoid));
       }},
  };
}

}  // namespace

std::vector<GradientCase> gradient_cases() {
  std::vector<GradientCase> all = plain_cases();
  add_activations(all);
  add_arithmetic(all);
  return all;
}

Tensor CaseContext::constant(const Shape& shape, double value) const {
  return upload(device, shape, std::vector<double>(static_cast<std::size_t>(shape.count()), value), dtype);
}

Tensor CaseContext::labels(const std::vector<std::int32_t>& values) const {
  return Tensor::from(device, {static_cast<std::int64_t>(values.size())}, std::span<const std::int32_t>(values));
}

std::vector<std::vector<double>> input_values(const GradientCase& gradient_case) {
  std::vector<std::vector<double>> all;
  for (const CaseInput& input : gradient_case.inputs) {
    RandomStream random(11, Purpose::test, stream_of(gradient_case.name + "/" + input.name));
    std::vector<double> values;
    for (std::int64_t i = 0; i < input.shape.count(); ++i)
      values.push_back(static_cast<float>(input.offset + input.scale * random.normal()));  // exact in float32 too
    all.push_back(std::move(values));
  }
  return all;
}

Variable weighted_sum(const Variable& x) {
  RandomStream random(12, Purpose::test, 0);
  const std::vector<double> values = download(x.value());
  std::vector<double> weights;
  double sum = 0;
  for (const double v : values) {
    weights.push_back(static_cast<float>(random.normal()));
    sum += weights.back() * v;
  }
  const std::shared_ptr<Device> device = x.value().device();
  const Tensor w = upload(device, x.shape(), weights, x.value().dtype());
  return record("weighted_sum", upload(device, {1}, {sum}, x.value().dtype()), {x},
                [w, dx = x.node()](const Tensor& dy) { dy.on().run(&Backend::scale, 1.0, dy, w, into(dx)); });
}

CaseResult run(const GradientCase& gradient_case, const std::vector<std::vector<double>>& inputs,
               const std::shared_ptr<Device>& device, DType dtype, bool gradients_wanted) {
  StepStateBuffer state(device);
  state.write({.step = 3});
  std::vector<Variable> variables;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Tensor value = upload(device, gradient_case.inputs[i].shape, inputs[i], dtype);
    variables.push_back(gradients_wanted ? Variable::leaf(value) : Variable(value));
  }
  const Variable output = gradient_case.apply(variables, {device, dtype, state.device_pointer()});
  const Variable loss = weighted_sum(output);
  CaseResult result{.output = download(output.value()), .loss = download(loss.value()).at(0)};
  if (!gradients_wanted) return result;
  backward(loss);
  for (const Variable& v : variables) result.gradients.push_back(v.grad() ? download(v.grad()) : std::vector<double>{});
  return result;
}

}  // namespace tessera::test
