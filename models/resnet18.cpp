// ResNet-18 with a stem for 32×32 images: 11,183,562 parameters (11,173,962 of them trainable).
//
// A tf.keras tutorial's variant: 3×3 stem without pooling, "same" padding (so stride 2 pads at the bottom and right only),
// batch norm with ε = 1e-3, and an L2 term on the last layer's weights that is part of every displayed loss.
// After He et al. 2015.
#include "engine/nn/conv_norm.h"
#include "engine/nn/network.h"
#include "engine/nn/residual.h"
#include "engine/ops/loss.h"
#include "models/catalogue.h"
#include "models/tutorials.h"

namespace tessera {
namespace {

constexpr BatchNorm::Options norm{.epsilon = 1e-3, .momentum = 0.01};
constexpr ResidualNames names{
    .conv1 = "c1", .norm1 = "b1", .conv2 = "c2", .norm2 = "b2", .shortcut_conv = "down_c1", .shortcut_norm = "down_b1"};

struct ResNet18 : Network {
  explicit ResNet18(const NetworkOptions& options)
      : c1(options.channels, 64, 3, {.padding = Padding::keras_same(), .bias = false, .init = tf_keras_init}),
        f1(512, options.outputs.value_or(10), {.init = tf_keras_init}) {}

  void visit(Visitor& v) override { v("c1", c1), v("b1", b1), v("blocks", blocks), v("pool", pool), v("f1", f1); }

  std::span<const KerasPart> keras_parts() const override {
    static constexpr KerasPart parts[] = {{"blocks.*", "blocks/layers/resnet_block*"}};
    return parts;
  }

  Variable forward(const Context& context, const Variable& x) override {
    Variable y = conv_norm(context, c1, b1, x, Activation::relu);
    for (const ResidualUnit& block : blocks) y = block(context, y);
    return f1(context, pool(context, y));
  }

  Variable loss(const Context& context, const Variable& logits, const Tensor& labels) override {
    return add(Network::loss(context, logits, labels), l2_penalty(f1.weight.in(context), 0.01));
  }

  Conv2d c1;
  BatchNorm b1{64, norm};
  std::vector<ResidualUnit> blocks = residual_stages({2, 2, 2, 2}, {.norm = norm, .names = names});
  GlobalAveragePool pool;
  Linear f1;
};

}  // namespace

NetworkEntry describe_resnet18() {
  return {.id = "resnet18",
          .description = "ResNet-18 for 32×32 images (tf.keras)",
          .build = build<ResNet18>,
          .recipe = tf_keras_recipe("R002-resnet18"),
          .any_image_size = true,
          // Linear up and down, Nesterov, smoothed labels, pad-4 crops and flips, batch 512: after the recipes that reach 94
          // % in 15 to 30 epochs (He et al. 2018, "Bag of tricks"; Page 2018, "How to train your ResNet").
          .fast = Recipe{
              .id = "resnet18-fast",
              .normalization = Normalization::cifar10,
              .validation = Validation::test_set,
              .batch_size = 512,
              .epochs = 24,
              .optimizer = Sgd::Options{.learning_rate = 0.4, .weight_decay = 5e-4, .momentum = 0.9, .nesterov = true},
              .schedule = OneCycle{.warmup = 0.2, .first = 0.1, .last = 0},
              .label_smoothing = 0.1,
              .augment = Augmentation::standard,
              .precision = Precision::bf16}};
}

}  // namespace tessera
