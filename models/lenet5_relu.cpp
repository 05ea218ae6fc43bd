// LeNet-5 with ReLU: two convolutions with max-pooling, three linear layers; 62,006 parameters.
//
// A PyTorch tutorial's variant: no activation between convolution and pool, ReLU after the two hidden linear layers,
// PyTorch's default initialisation. After LeCun et al. 1998.
#include "engine/nn/layers.h"
#include "engine/nn/network.h"
#include "models/catalogue.h"

namespace tessera {
namespace {

struct LeNet5Relu : Network {
  explicit LeNet5Relu(const NetworkOptions& options)
      : conv1(options.channels, 6, 5), fc3(84, options.outputs.value_or(10)) {}

  void visit(Visitor& v) override {
    v("conv_unit.0", conv1), v("conv_unit.2", conv2), v("pool", pool), v("flatten", flatten);
    v("fc_unit.0", fc1), v("fc_unit.2", fc2), v("fc_unit.4", fc3);
  }

  Variable forward(const Context& context, const Variable& x) override {
    Variable y = pool(context, conv1(context, x));
    y = pool(context, conv2(context, y));
    y = fc2(context, fc1(context, flatten(context, y)));
    return fc3(context, y);
  }

  Conv2d conv1;
  Conv2d conv2{6, 16, 5};
  MaxPool pool;
  Flatten flatten;
  Linear fc1{16 * 5 * 5, 120, {.activation = Activation::relu}};
  Linear fc2{120, 84, {.activation = Activation::relu}};
  Linear fc3;
};

}  // namespace

NetworkEntry describe_lenet5_relu() {
  return {.id = "lenet5_relu",
          .description = "LeNet-5 with ReLU (PyTorch)",
          .build = build<LeNet5Relu>,
          .recipe = {.id = "R003-lenet5",
                     .validation = Validation::test_set,
                     .batch_size = 32,
                     .epochs = 100,
                     .optimizer = Adam::Options{.learning_rate = 1e-3},
                     .last_batch_loss = true}};
}

}  // namespace tessera
