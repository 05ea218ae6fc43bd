// LeNet-5 with sigmoids: two convolutions with max-pooling, three linear layers; 62,006 parameters.
//
// A tf.keras tutorial's variant: a sigmoid after every layer but the last, before the pools. After LeCun et al. 1998.
#include "engine/nn/layers.h"
#include "engine/nn/network.h"
#include "models/catalogue.h"
#include "models/tutorials.h"

namespace tessera {
namespace {

struct LeNet5Sigmoid : Network {
  explicit LeNet5Sigmoid(const NetworkOptions& options)
      : c1(options.channels, 6, 5, {.activation = Activation::sigmoid, .init = tf_keras_init}),
        f3(84, options.outputs.value_or(10), {.init = tf_keras_init}) {}

  void visit(Visitor& v) override {
    v("c1", c1), v("c2", c2), v("pool", pool), v("flatten", flatten), v("f1", f1), v("f2", f2), v("f3", f3);
  }

  Variable forward(const Context& context, const Variable& x) override {
    Variable y = pool(context, c1(context, x));
    y = pool(context, c2(context, y));
    y = f2(context, f1(context, flatten(context, y)));
    return f3(context, y);
  }

  Conv2d c1;
  Conv2d c2{6, 16, 5, {.activation = Activation::sigmoid, .init = tf_keras_init}};
  MaxPool pool;
  Flatten flatten;
  Linear f1{16 * 5 * 5, 120, {.activation = Activation::sigmoid, .init = tf_keras_init}};
  Linear f2{120, 84, {.activation = Activation::sigmoid, .init = tf_keras_init}};
  Linear f3;
};

}  // namespace

NetworkEntry describe_lenet5_sigmoid() {
  return {.id = "lenet5_sigmoid",
          .description = "LeNet-5 with sigmoids (tf.keras)",
          .build = build<LeNet5Sigmoid>,
          .recipe = tf_keras_recipe("R002-lenet5"),
          .keras_name = "le_net5"};
}

}  // namespace tessera
