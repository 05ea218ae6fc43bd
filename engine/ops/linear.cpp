#include "engine/ops/linear.h"

#include "engine/ops/check.h"

namespace tessera {

Variable linear(const Variable& x, const Variable& w, const Variable& bias, Activation activation) {
  require_rank("linear", "input", x.value(), 2, "N,in");
  require_rank("linear", "weight", w.value(), 2, "out,in");
  require(x.shape()[1] == w.shape()[1], "[linear] input " + to_string(x.shape()) + " has " + std::to_string(x.shape()[1]) +
                                            " features, weight " + to_string(w.shape()) + " (out,in) expects " +
                                            std::to_string(w.shape()[1]));
  if (bias) require_shape("linear", "bias", bias.value(), {w.shape()[0]});

  Device& device = x.value().on();
  const Tensor weights = w.as(x.value().dtype());
  Tensor y = Tensor::empty(x.value().device(), {x.shape()[0], w.shape()[0]}, x.value().dtype());
  device.run(&Backend::matmul, {.transpose_b = true, .activation = activation}, x.value(), weights, bias.value(),
             {y, false});

  return record("linear", y, {x, w, bias},
                [activation, x_value = w.node() ? x.value() : Tensor{}, w_value = x.node() ? weights : Tensor{},
                 y_value = activation != Activation::none ? y : Tensor{}, dx = x.node(), dw = w.node(),
                 db = bias.node()](const Tensor& dy) {
                  Device& on = dy.on();
                  Tensor dz = dy;  // gradient before the activation
                  if (activation != Activation::none) {
                    dz = dy.like();
                    on.run(&Backend::activation_backward, activation, y_value, dy, {dz, false});
                  }
                  if (db) on.run(&Backend::column_sums, dz, into(db));
                  if (dw) on.run(&Backend::matmul, {.transpose_a = true}, dz, x_value, {}, into(dw));
                  if (dx) on.run(&Backend::matmul, {}, dz, w_value, {}, into(dx));
                });
}

}  // namespace tessera
