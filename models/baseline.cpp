// A baseline of one convolution and two linear layers: 198,506 parameters (198,494 of them trainable).
//
// A tf.keras tutorial's variant: batch norm with ε = 1e-3 before the ReLU, dropout of 0.2 on the pooled map and on the
// hidden layer.
#include "engine/nn/conv_norm.h"
#include "engine/nn/network.h"
#include "models/catalogue.h"
#include "models/tutorials.h"

namespace tessera {
namespace {

struct Baseline : Network {
  explicit Baseline(const NetworkOptions& options)
      : c1(options.channels, 6, 5, {.padding = Padding::keras_same(), .init = tf_keras_init}),
        drop1(options.dropout.value_or(0.2)),
        drop2(options.dropout.value_or(0.2)),
        f2(128, options.outputs.value_or(10), {.init = tf_keras_init}) {}

  void visit(Visitor& v) override {
    v("c1", c1), v("b1", b1), v("pool", pool), v("drop1", drop1), v("flatten", flatten);
    v("f1", f1), v("drop2", drop2), v("f2", f2);
  }

  Variable forward(const Context& context, const Variable& x) override {
    Variable y = conv_norm(context, c1, b1, x, Activation::relu);
    y = drop1(context, pool(context, y));
    y = drop2(context, f1(context, flatten(context, y)));
    return f2(context, y);
  }

  Conv2d c1;
  BatchNorm b1{6, {.epsilon = 1e-3, .momentum = 0.01}};
  MaxPool pool;
  Dropout drop1;
  Flatten flatten;
  Linear f1{6 * 16 * 16, 128, {.activation = Activation::relu, .init = tf_keras_init}};
  Dropout drop2;
  Linear f2;
};

}  // namespace

NetworkEntry describe_baseline() {
  return {.id = "baseline",
          .description = "one convolution and two linear layers (tf.keras)",
          .build = build<Baseline>,
          .recipe = tf_keras_recipe("R002-baseline"),
          .has_dropout = true,
          .keras_name = "baseline"};
}

}  // namespace tessera
