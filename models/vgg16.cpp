// VGG-16 with batch norm: 15,262,026 parameters (15,253,578 of them trainable).
//
// A tf.keras tutorial's variant: every convolution with bias, batch norm (ε = 1e-3) and ReLU, dropout of 0.2 behind every
// pool and every hidden linear layer, 512 hidden units. After Simonyan & Zisserman 2014.
#include "engine/nn/conv_norm.h"
#include "engine/nn/network.h"
#include "models/catalogue.h"
#include "models/tutorials.h"

namespace tessera {
namespace {

struct Stage {
  std::int64_t channels;
  int convolutions;
};
constexpr Stage stages[] = {{64, 2}, {128, 2}, {256, 3}, {512, 3}, {512, 3}};  // each ends with a pool and a dropout
constexpr Linear::Options hidden{.activation = Activation::relu, .init = tf_keras_init};

struct Vgg16 : Network {
  explicit Vgg16(const NetworkOptions& options) : f3(512, options.outputs.value_or(10), {.init = tf_keras_init}) {
    std::int64_t in = options.channels;
    for (const Stage& stage : stages)
      for (int i = 0; i < stage.convolutions; ++i) {
        convs.emplace_back(in, stage.channels, 3, Conv2d::Options{.padding = Padding::keras_same(), .init = tf_keras_init});
        norms.emplace_back(stage.channels, BatchNorm::Options{.epsilon = 1e-3, .momentum = 0.01});
        in = stage.channels;
      }
    dropouts.assign(7, Dropout(options.dropout.value_or(0.2)));
  }

  void visit(Visitor& v) override {
    for (std::size_t i = 0; i < convs.size(); ++i) {
      const std::string number = std::to_string(i + 1);
      v("c" + number, convs[i]), v("b" + number, norms[i]);
    }
    v("dropouts", dropouts), v("pool", pool), v("flatten", flatten), v("f1", f1), v("f2", f2), v("f3", f3);
  }

  Variable forward(const Context& context, const Variable& x) override {
    Variable y = x;
    std::size_t layer = 0, drop = 0;
    for (const Stage& stage : stages) {
      for (int i = 0; i < stage.convolutions; ++i, ++layer)
        y = conv_norm(context, convs[layer], norms[layer], y, Activation::relu);
      y = dropouts[drop++](context, pool(context, y));
    }
    y = dropouts[drop++](context, f1(context, flatten(context, y)));
    y = dropouts[drop](context, f2(context, y));
    return f3(context, y);
  }

  std::vector<Conv2d> convs;
  std::vector<BatchNorm> norms;
  std::vector<Dropout> dropouts;
  MaxPool pool;
  Flatten flatten;
  Linear f1{512, 512, hidden};
  Linear f2{512, 512, hidden};
  Linear f3;
};

}  // namespace

NetworkEntry describe_vgg16() {
  return {.id = "vgg16",
          .description = "VGG-16 with batch norm (tf.keras)",
          .build = build<Vgg16>,
          .recipe = tf_keras_recipe("R002-vgg16"),
          .has_dropout = true,
          .keras_name = "vgg16"};
}

}  // namespace tessera
