// AlexNet-8 for 32×32 images: 9,639,178 parameters (9,638,474 of them trainable).
//
// A tf.keras tutorial's variant: batch norm (ε = 1e-3) after the first two convolutions only, overlapping 3×3 pools with
// stride 2, dropout of 0.5 behind both hidden linear layers. After Krizhevsky et al. 2012.
#include "engine/nn/conv_norm.h"
#include "engine/nn/network.h"
#include "models/catalogue.h"
#include "models/tutorials.h"

namespace tessera {
namespace {

constexpr BatchNorm::Options norm{.epsilon = 1e-3, .momentum = 0.01};
constexpr Conv2d::Options valid{.init = tf_keras_init};
constexpr Conv2d::Options same_relu{.padding = Padding::keras_same(), .activation = Activation::relu, .init = tf_keras_init};
constexpr Linear::Options hidden{.activation = Activation::relu, .init = tf_keras_init};

struct AlexNet8 : Network {
  explicit AlexNet8(const NetworkOptions& options)
      : c1(options.channels, 96, 3, valid),
        drop1(options.dropout.value_or(0.5)),
        drop2(options.dropout.value_or(0.5)),
        f3(2048, options.outputs.value_or(10), {.init = tf_keras_init}) {}

  void visit(Visitor& v) override {
    v("c1", c1), v("b1", b1), v("c2", c2), v("b2", b2), v("c3", c3), v("c4", c4), v("c5", c5);
    v("pool", pool), v("flatten", flatten), v("f1", f1), v("drop1", drop1), v("f2", f2), v("drop2", drop2), v("f3", f3);
  }

  Variable forward(const Context& context, const Variable& x) override {
    Variable y = pool(context, conv_norm(context, c1, b1, x, Activation::relu));
    y = pool(context, conv_norm(context, c2, b2, y, Activation::relu));
    y = pool(context, c5(context, c4(context, c3(context, y))));
    y = drop1(context, f1(context, flatten(context, y)));
    y = drop2(context, f2(context, y));
    return f3(context, y);
  }

  Conv2d c1;
  BatchNorm b1{96, norm};
  Conv2d c2{96, 256, 3, valid};
  BatchNorm b2{256, norm};
  Conv2d c3{256, 384, 3, same_relu};
  Conv2d c4{384, 384, 3, same_relu};
  Conv2d c5{384, 256, 3, same_relu};
  MaxPool pool{{.window = 3, .stride = 2}};
  Flatten flatten;
  Linear f1{256 * 2 * 2, 2048, hidden};
  Dropout drop1;
  Linear f2{2048, 2048, hidden};
  Dropout drop2;
  Linear f3;
};

}  // namespace

NetworkEntry describe_alexnet8() {
  return {.id = "alexnet8",
          .description = "AlexNet-8 for 32×32 images (tf.keras)",
          .build = build<AlexNet8>,
          .recipe = tf_keras_recipe("R002-alexnet8"),
          .has_dropout = true,
          .keras_name = "alex_net8"};
}

}  // namespace tessera
