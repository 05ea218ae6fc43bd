// A ResNet of two units: 347,786 parameters (347,498 of them trainable).
//
// A PyTorch tutorial's variant: no pooling at all, biases in all convolutions, no ReLU after the adds, PyTorch's default
// initialisation. After He et al. 2015.
#include "engine/nn/conv_norm.h"
#include "engine/nn/network.h"
#include "engine/nn/residual.h"
#include "models/catalogue.h"

namespace tessera {
namespace {

ResidualUnit::Options unit(bool project) {
  return {.project = project,
          .bias = true,
          .activation = Activation::none,
          .padding = Padding::all(1),
          .init = pytorch_init,
          .names = {.shortcut_conv = "extra.0", .shortcut_norm = "extra.1"}};
}

struct ResNetMini : Network {
  explicit ResNetMini(const NetworkOptions& options)
      : conv1(options.channels, 16, 3, {.padding = Padding::all(1)}), outlayer(32 * 32 * 32, options.outputs.value_or(10)) {}

  void visit(Visitor& v) override {
    v("conv1.0", conv1), v("conv1.1", bn1), v("blk1", blk1), v("blk2", blk2), v("flatten", flatten);
    v("outlayer", outlayer);
  }

  Variable forward(const Context& context, const Variable& x) override {
    Variable y = conv_norm(context, conv1, bn1, x, Activation::relu);
    y = blk2(context, blk1(context, y));
    return outlayer(context, flatten(context, y));
  }

  Conv2d conv1;
  BatchNorm bn1{16};
  ResidualUnit blk1{16, 16, unit(false)};
  ResidualUnit blk2{16, 32, unit(true)};
  Flatten flatten;
  Linear outlayer;
};

}  // namespace

NetworkEntry describe_resnet_mini() {
  return {.id = "resnet_mini",
          .description = "ResNet of two units (PyTorch)",
          .build = build<ResNetMini>,
          .recipe = {.id = "R003-resnet",
                     .validation = Validation::test_set,
                     .batch_size = 32,
                     .epochs = 100,
                     .optimizer = Adam::Options{.learning_rate = 1e-3},
                     .last_batch_loss = true}};
}

}  // namespace tessera
