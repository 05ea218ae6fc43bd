// ResNet-18 with a pool of stride 1: 11,184,778 parameters (11,176,970 of them trainable).
//
// A tf.keras tutorial's variant: 3×3 stem and a 2×2 "same" pool with stride 1, biases in all convolutions, shortcuts by
// 1×1 convolution with bias and without batch norm, ε = 1e-3. After He et al. 2015.
#include "engine/nn/conv_norm.h"
#include "engine/nn/network.h"
#include "engine/nn/residual.h"
#include "models/catalogue.h"

namespace tessera {
namespace {

constexpr BatchNorm::Options norm{.epsilon = 1e-3, .momentum = 0.01};

struct ResNet18MaxPool : Network {
  explicit ResNet18MaxPool(const NetworkOptions& options)
      : conv(options.channels, 64, 3, {.padding = Padding::keras_same(), .init = tf_keras_init}),
        fc(512, options.outputs.value_or(10), {.init = tf_keras_init}) {}

  void visit(Visitor& v) override {
    v("conv", conv), v("bn", bn), v("pool", pool);
    for (std::size_t i = 0; i < units.size(); ++i)
      v("res_block" + std::to_string(i / 2 + 1) + "." + std::to_string(i % 2), units[i]);
    v("average", average), v("fc", fc);
  }

  std::span<const KerasPart> keras_parts() const override {
    static constexpr KerasPart parts[] = {{"res_block1.*", "layers/sequential/layers/residual*"},
                                          {"res_block2.*", "layers/sequential_1/layers/residual*"},
                                          {"res_block3.*", "layers/sequential_2/layers/residual*"},
                                          {"res_block4.*", "layers/sequential_3/layers/residual*"},
                                          {"conv1", "conv1"},
                                          {"conv2", "conv2"},
                                          {"conv3", "conv3"},
                                          {"bn1", "bn1"},
                                          {"bn2", "bn2"}};
    return parts;
  }

  Variable forward(const Context& context, const Variable& x) override {
    Variable y = pool(context, conv_norm(context, conv, bn, x, Activation::relu));
    for (const ResidualUnit& unit : units) y = unit(context, y);
    return fc(context, average(context, y));
  }

  Conv2d conv;
  BatchNorm bn{64, norm};
  MaxPool pool{{.window = 2, .stride = 1, .padding = Padding::keras_same()}};
  std::vector<ResidualUnit> units = residual_stages(
      {2, 2, 2, 2}, {.project_norm = false, .bias = true, .norm = norm, .names = {.shortcut_conv = "conv3"}});
  GlobalAveragePool average;
  Linear fc;
};

}  // namespace

NetworkEntry describe_resnet18_maxpool() {
  return {.id = "resnet18_maxpool",
          .description = "ResNet-18 with a pool of stride 1 (tf.keras)",
          .build = build<ResNet18MaxPool>,
          .recipe = {.id = "R001",
                     .validation = Validation::last_tenth,
                     .batch_size = 100,
                     .epochs = 100,
                     .optimizer = Sgd::Options{.learning_rate = 0.005, .momentum = 0.9},
                     .top5 = true},
          .any_image_size = true};
}

}  // namespace tessera
