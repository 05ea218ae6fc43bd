// The layers: structs of parameters and options, each a few lines over its op.
//
// A layer adds to the op's error where it happened: its path in the network.
#pragma once

#include <optional>

#include "engine/nn/module.h"
#include "engine/ops/batch_norm.h"
#include "engine/ops/concat.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/layer_norm.h"
#include "engine/ops/linear.h"
#include "engine/ops/pool.h"

namespace tessera {

// 2-D convolution. weight: [K,R,S,C/groups], bias: [K] or none; groups = C: depthwise.
struct Conv2d : Module {
  struct Options {
    std::int64_t stride = 1;
    Padding padding = Padding::none();
    bool bias = true;
    Activation activation = Activation::none;
    InitFamily init = pytorch_init;
    std::int64_t groups = 1;
  };
  Conv2d(std::int64_t in_channels, std::int64_t out_channels, std::int64_t kernel, const Options& options);
  Conv2d(std::int64_t in_channels, std::int64_t out_channels, std::int64_t kernel)
      : Conv2d(in_channels, out_channels, kernel, Options()) {}
  void visit(Visitor& v) override { v("weight", weight), v("bias", bias); }
  Variable operator()(const Context& context, const Variable& x) const;
  Conv2dOptions op_options() const {
    return {
        .stride = options.stride, .padding = options.padding, .activation = options.activation, .groups = options.groups};
  }
  double flops(const Tensor& output) const;  // that made this output

  Options options;
  Parameter weight, bias;
};

// Fully connected. weight: [out,in], bias: [out] or none.
struct Linear : Module {
  struct Options {
    bool bias = true;
    Activation activation = Activation::none;
    InitFamily init = pytorch_init;
  };
  Linear(std::int64_t in, std::int64_t out, const Options& options);
  Linear(std::int64_t in, std::int64_t out) : Linear(in, out, Options()) {}
  void visit(Visitor& v) override { v("weight", weight), v("bias", bias); }
  Variable operator()(const Context& context, const Variable& x) const;

  Options options;
  Parameter weight, bias;
};

// Batch normalisation, with an optional residual and ReLU behind it. weight is gamma, bias is beta.
//
// In training it normalises with the batch's statistics and updates the running ones, unless it is frozen (weight not
// trainable, Keras' rule; where weight is fixed, bias not trainable) or told never to (Statistics::running).
struct BatchNorm : Module {
  enum class Statistics { batch, running };
  struct Options {
    double epsilon = 1e-5;
    double momentum = 0.1;          // PyTorch form
    bool unbiased_variance = true;  // in the running variance
    bool fixed_weight = false;      // gamma stays 1
    Statistics statistics = Statistics::batch;
  };
  BatchNorm(std::int64_t channels, const Options& options);
  explicit BatchNorm(std::int64_t channels) : BatchNorm(channels, Options()) {}
  void visit(Visitor& v) override {
    v("weight", weight), v("bias", bias), v("running_mean", running_mean), v("running_var", running_var);
  }
  Variable operator()(const Context& context, const Variable& x, Activation activation = Activation::none,
                      const Variable& residual = {}) const {
    return with_statistics(context, x, {}, activation, residual);
  }
  // `statistics`: those of x, from the convolution that made it (conv2d_with_statistics), or none.
  Variable with_statistics(const Context& context, const Variable& x, const Tensor& statistics, Activation activation,
                           const Variable& residual) const;

  bool uses_batch_statistics(const Context& context) const {
    const Parameter& frozen_with = options.fixed_weight ? bias : weight;
    return context.training && frozen_with.trainable() && options.statistics == Statistics::batch;
  }
  BatchNormParams params(Activation activation) const {
    return {.epsilon = options.epsilon,
            .momentum = options.momentum,
            .unbiased_variance = options.unbiased_variance,
            .activation = activation};
  }

  Options options;
  Parameter weight, bias;
  Buffer running_mean, running_var;
};

// Layers without parameters. visit() of a network names them too, so that their errors say where.
struct MaxPool : Module {
  explicit MaxPool(const Pool2dOptions& pool = {}) : options(pool) {}
  void visit(Visitor&) override {}
  Variable operator()(const Context& context, const Variable& x) const;
  Pool2dOptions options;
};

struct AveragePool : Module {
  explicit AveragePool(const AveragePool2dOptions& pool = {}) : options(pool) {}
  void visit(Visitor&) override {}
  Variable operator()(const Context& context, const Variable& x) const;
  AveragePool2dOptions options;
};

// Layer normalisation over the last axis. weight (gamma), bias (beta): [columns].
struct LayerNorm : Module {
  explicit LayerNorm(std::int64_t columns, double eps = 1e-5)
      : epsilon(eps), weight({columns}, Init::ones, {}), bias({columns}, Init::zeros, {}) {}
  void visit(Visitor& v) override { v("weight", weight), v("bias", bias); }
  Variable operator()(const Context& context, const Variable& x) const {
    const Variable y = at(*this, [&] { return layer_norm(x, weight.in(context), bias.in(context), epsilon); });
    context.done(*this, "layer norm", y, 8.0 * static_cast<double>(y.value().count()));
    return y;
  }

  double epsilon;
  Parameter weight, bias;
};

struct GlobalAveragePool : Module {
  void visit(Visitor&) override {}
  Variable operator()(const Context& context, const Variable& x) const;
};

struct Flatten : Module {
  void visit(Visitor&) override {}
  Variable operator()(const Context& context, const Variable& x) const;
};

struct Concat : Module {
  void visit(Visitor&) override {}
  Variable operator()(const Context& context, std::initializer_list<Variable> parts) const;
};

// Active in training only. Each dropout of a network draws masks of its own: they are numbered 0, 1, 2, … in the order of
// visit() when a ParameterStore gathers the network. Error in training where visit() does not name it.
struct Dropout : Module {
  explicit Dropout(double p) : probability(p) {}
  void visit(Visitor&) override {}
  Variable operator()(const Context& context, const Variable& x) const;
  double probability;
  std::optional<std::uint32_t> number = {};
};

}  // namespace tessera
