#include "engine/nn/layers.h"

namespace tessera {
namespace {

// Runs `op` and names the layer in whatever shape error it throws.
template <class Op>
Variable at(const Module& layer, Op&& op) {
  try {
    return op();
  } catch (const ShapeError& error) {
    throw ShapeError((layer.path().empty() ? "" : "layer " + layer.path() + ": ") + error.what());
  }
}

double elements(const Variable& v) { return static_cast<double>(v.value().count()); }

}  // namespace

Conv2d::Conv2d(std::int64_t in_channels, std::int64_t out_channels, std::int64_t kernel, const Options& o) : options(o) {
  const double window = static_cast<double>(kernel * kernel);
  const Fan fan{window * static_cast<double>(in_channels), window * static_cast<double>(out_channels)};
  weight = Parameter({out_channels, kernel, kernel, in_channels}, o.init.conv_weight, fan);
  if (o.bias) bias = Parameter({out_channels}, o.init.conv_bias, fan);
}

Variable Conv2d::operator()(const Context& context, const Variable& x) const {
  Variable y = at(*this, [&] {
    return conv2d(x, weight.in(context), bias.in(context),
                  {.stride = options.stride, .padding = options.padding, .activation = options.activation});
  });
  context.done(*this, "conv", y.value(), 2.0 * elements(y) * static_cast<double>(weight.count() / weight.shape()[0]));
  return y;
}

Linear::Linear(std::int64_t in, std::int64_t out, const Options& o)
    : options(o),
      weight({out, in}, o.init.linear_weight, {static_cast<double>(in), static_cast<double>(out)}),
      bias({out}, o.init.linear_bias, {static_cast<double>(in), static_cast<double>(out)}) {}

Variable Linear::operator()(const Context& context, const Variable& x) const {
  Variable y = at(*this, [&] { return linear(x, weight.in(context), bias.in(context), options.activation); });
  context.done(*this, "linear", y.value(), 2.0 * elements(y) * static_cast<double>(weight.shape()[1]));
  return y;
}

BatchNorm::BatchNorm(std::int64_t channels, const Options& o)
    : options(o),
      weight({channels}, Init::ones, {}),
      bias({channels}, Init::zeros, {}),
      running_mean({channels}, 0.0f),
      running_var({channels}, 1.0f) {}

Variable BatchNorm::operator()(const Context& context, const Variable& x, Activation activation,
                               const Variable& residual) const {
  const bool batch_statistics = context.training && weight.trainable() && options.statistics == Statistics::batch;
  Variable y = at(*this, [&] {
    return batch_norm(x, residual, weight.in(context), bias.in(context), running_mean.value(), running_var.value(),
                      {.epsilon = options.epsilon,
                       .momentum = options.momentum,
                       .unbiased_variance = options.unbiased_variance,
                       .activation = activation},
                      batch_statistics);
  });
  context.done(*this, residual ? "batch norm + add" : "batch norm", y.value(), 2.0 * elements(y));
  return y;
}

Variable MaxPool::operator()(const Context& context, const Variable& x) const {
  Variable y = at(*this, [&] { return max_pool(x, options); });
  context.done(*this, "max pool", y.value());
  return y;
}

Variable GlobalAveragePool::operator()(const Context& context, const Variable& x) const {
  Variable y = at(*this, [&] { return global_average_pool(x); });
  context.done(*this, "global average pool", y.value(), elements(x));
  return y;
}

Variable Flatten::operator()(const Context& context, const Variable& x) const {
  Variable y = at(*this, [&] { return flatten(x); });
  context.done(*this, "flatten", y.value());
  return y;
}

Variable Concat::operator()(const Context& context, std::initializer_list<Variable> parts) const {
  Variable y = at(*this, [&] { return concat(parts); });
  context.done(*this, "concat", y.value());
  return y;
}

Variable Dropout::operator()(const Context& context, const Variable& x) const {
  if (!context.training || probability == 0) {
    context.done(*this, "dropout", x.value());
    return x;
  }
  Variable y = at(
      *this, [&] { return dropout(x, {.probability = probability, .seed = context.seed, .layer = layer}, context.state); });
  context.done(*this, "dropout", y.value());
  return y;
}

}  // namespace tessera
