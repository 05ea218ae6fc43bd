#include "engine/nn/layers.h"

#include "engine/ops/shared_batch_norm.h"

namespace tessera {
namespace {

double elements(const Variable& v) { return static_cast<double>(v.value().count()); }

}  // namespace

Conv2d::Conv2d(std::int64_t in_channels, std::int64_t out_channels, std::int64_t kernel, const Options& o) : options(o) {
  const double window = static_cast<double>(kernel * kernel);
  if (o.groups < 1 || in_channels % o.groups != 0)
    throw ShapeError("a convolution of " + std::to_string(in_channels) + " channels cannot have " +
                     std::to_string(o.groups) + " groups");
  const std::int64_t seen = in_channels / o.groups;  // channels, by each filter
  const Fan fan{window * static_cast<double>(seen), window * static_cast<double>(out_channels / o.groups)};
  weight = Parameter({out_channels, kernel, kernel, seen}, o.init.conv_weight, fan);
  if (o.bias) bias = Parameter({out_channels}, o.init.conv_bias, fan);
}

Variable Conv2d::operator()(const Context& context, const Variable& x) const {
  Variable y = at(*this, [&] { return conv2d(x, weight.in(context), bias.in(context), op_options()); });
  context.done(*this, "conv", y, flops(y.value()));
  return y;
}

double Conv2d::flops(const Tensor& output) const {
  return 2.0 * static_cast<double>(output.count()) * static_cast<double>(weight.count() / weight.shape()[0]);
}

Linear::Linear(std::int64_t in, std::int64_t out, const Options& o)
    : options(o), weight({out, in}, o.init.linear_weight, {static_cast<double>(in), static_cast<double>(out)}) {
  if (o.bias) bias = Parameter({out}, o.init.linear_bias, {static_cast<double>(in), static_cast<double>(out)});
}

Variable Linear::operator()(const Context& context, const Variable& x) const {
  Variable y = at(*this, [&] { return linear(x, weight.in(context), bias.in(context), options.activation); });
  context.done(*this, "linear", y, 2.0 * elements(y) * static_cast<double>(weight.shape()[1]));
  return y;
}

BatchNorm::BatchNorm(std::int64_t channels, const Options& o)
    : options(o),
      weight({channels}, Init::ones, {}),
      bias({channels}, Init::zeros, {}),
      running_mean({channels}, 0.0f),
      running_var({channels}, 1.0f) {
  if (o.fixed_weight) weight.fix();
}

Variable BatchNorm::with_statistics(const Context& context, const Variable& x, const Tensor& statistics,
                                    Activation activation, const Variable& residual) const {
  Variable y = at(*this, [&] {
    if (context.shares && uses_batch_statistics(context))
      return shared_batch_norm(x, residual, weight.in(context), bias.in(context), running_mean.value(), running_var.value(),
                               params(activation), *context.shares, statistics);
    return batch_norm(x, residual, weight.in(context), bias.in(context), running_mean.value(), running_var.value(),
                      params(activation), uses_batch_statistics(context), statistics);
  });
  context.done(*this, residual ? "batch norm + add" : "batch norm", y, 2.0 * elements(y));
  return y;
}

Variable MaxPool::operator()(const Context& context, const Variable& x) const {
  Variable y = at(*this, [&] { return max_pool(x, options); });
  context.done(*this, "max pool", y);
  return y;
}

Variable AveragePool::operator()(const Context& context, const Variable& x) const {
  Variable y = at(*this, [&] { return average_pool(x, options); });
  context.done(*this, "average pool", y, elements(x));
  return y;
}

Variable GlobalAveragePool::operator()(const Context& context, const Variable& x) const {
  Variable y = at(*this, [&] { return global_average_pool(x); });
  context.done(*this, "global average pool", y, elements(x));
  return y;
}

Variable Flatten::operator()(const Context& context, const Variable& x) const {
  Variable y = at(*this, [&] { return flatten(x); });
  context.done(*this, "flatten", y);
  return y;
}

Variable Concat::operator()(const Context& context, std::initializer_list<Variable> parts) const {
  Variable y = at(*this, [&] { return concat(parts); });
  context.done(*this, "concat", y);
  return y;
}

Variable Dropout::operator()(const Context& context, const Variable& x) const {
  if (!context.training || probability == 0) {
    context.done(*this, "dropout", x);
    return x;
  }
  if (!number)
    throw Error(ExitCode::failure,
                "a dropout layer is not named by its network's visit(): it would share its masks with others");
  if (!context.state) throw Error(ExitCode::failure, "layer " + path() + ": dropout in training needs Context::state");
  Variable y = at(*this, [&] {
    return dropout(x, {.probability = probability, .seed = context.seed, .layer = *number}, context.state);
  });
  context.done(*this, "dropout", y);
  return y;
}

}  // namespace tessera
