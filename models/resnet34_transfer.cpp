// ResNet-34 for 32×32 images: 21,305,800 parameters (21,288,776 of them trainable) with 8 outputs, 21,302,209 with one.
//
// A Keras 3 tutorial's variant: 7×7 stem and 3×3 pool, both "same" with stride 2, batch norm with ε = 1e-3 whose running
// variance is the biased one. It learns eight classes of CIFAR-10 (all but horse and ship) and then, with a new head of one
// sigmoid output, to tell ships from horses. After He et al. 2015.
#include "engine/nn/conv_norm.h"
#include "engine/nn/network.h"
#include "engine/nn/residual.h"
#include "models/catalogue.h"

namespace tessera {
namespace {

constexpr BatchNorm::Options norm{.epsilon = 1e-3, .momentum = 0.01, .unbiased_variance = false};
constexpr ResidualNames names{.shortcut_conv = "skip_conv", .shortcut_norm = "skip_bn"};

template <std::int64_t default_outputs>
struct ResNet34 : Network {
  explicit ResNet34(const NetworkOptions& options)
      : conv(options.channels, 64, 7, {.stride = 2, .padding = Padding::keras_same(), .bias = false, .init = keras3_init}),
        fc(512, options.outputs.value_or(default_outputs), {.init = keras3_init}) {}

  void visit(Visitor& v) override {
    v("conv", conv), v("bn", bn), v("pool", pool), v("units", units), v("average", average), v("fc", fc);
  }

  std::span<const KerasPart> keras_parts() const override {
    static constexpr KerasPart parts[] = {{"conv", "layers/conv2d"},
                                          {"bn", "layers/batch_normalization"},
                                          {"units.*", "layers/residual_unit*"},
                                          {"conv1", "main_layers/conv2d"},
                                          {"bn1", "main_layers/batch_normalization"},
                                          {"conv2", "main_layers/conv2d_1"},
                                          {"bn2", "main_layers/batch_normalization_1"},
                                          {"skip_conv", "skip_layers/conv2d"},
                                          {"skip_bn", "skip_layers/batch_normalization"},
                                          {"fc", "layers/dense"}};
    return parts;
  }

  Variable forward(const Context& context, const Variable& x) override {
    Variable y = pool(context, conv_norm(context, conv, bn, x, Activation::relu));
    for (const ResidualUnit& unit : units) y = unit(context, y);
    return fc(context, average(context, y));
  }

  Conv2d conv;
  BatchNorm bn{64, norm};
  MaxPool pool{{.window = 3, .stride = 2, .padding = Padding::keras_same()}};
  std::vector<ResidualUnit> units = residual_stages({3, 4, 6, 3}, {.norm = norm, .init = keras3_init, .names = names});
  GlobalAveragePool average;
  Linear fc;
};

}  // namespace

NetworkEntry describe_resnet34_transfer() {
  return {.id = "resnet34_transfer",
          .description = "ResNet-34 for eight classes (Keras 3)",
          .build = build<ResNet34<8>>,
          .recipe = {.id = "R000a",
                     .validation = Validation::test_set,
                     .classes = {0, 1, 2, 3, 4, 5, 6, 9},
                     .batch_size = 32,
                     .epochs = 10,
                     .optimizer = AdamKeras::Options{.learning_rate = 1e-3}},
          .any_image_size = true};
}

NetworkEntry describe_resnet34_transfer_binary() {
  return {.id = "resnet34_transfer_binary",
          .description = "ResNet-34 that tells ships from horses (Keras 3)",
          .build = build<ResNet34<1>>,
          .recipe = {.id = "R000c",
                     .validation = Validation::test_set,
                     .classes = {7, 8},
                     .batch_size = 32,
                     .epochs = 10,
                     .optimizer = Sgd::Options{.learning_rate = 0.01}},
          .any_image_size = true};
}

}  // namespace tessera
