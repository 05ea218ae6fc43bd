#include "engine/ops/linear.h"

#include "engine/ops/check.h"
#include "engine/ops/fused_activation.h"
#include "kernels/one_launch.h"

namespace tessera {

Variable linear(const Variable& x, const Variable& w, const Variable& bias, Activation activation) {
  require_rank("linear", "input", x.value(), 2, "N,in");
  require_rank("linear", "weight", w.value(), 2, "out,in");
  require(x.shape()[1] == w.shape()[1], "[linear] input " + to_string(x.shape()) + " has " + std::to_string(x.shape()[1]) +
                                            " features, weight " + to_string(w.shape()) + " (out,in) expects " +
                                            std::to_string(w.shape()[1]));
  if (bias) require_shape("linear", "bias", bias.value(), {w.shape()[0]});

  const Tensor weights = w.as(x.value().dtype());
  return with_activation(activation, [&](Activation fused) {
    Tensor y = Tensor::empty(x.value().device(), {x.shape()[0], w.shape()[0]}, x.value().dtype());
    y.on().run(&Backend::matmul, {.transpose_b = true, .activation = fused}, x.value(), weights, bias.value(), {y, false});

    return record("linear", y, {x, w, bias},
                  [fused, x_value = w.node() ? x.value() : Tensor{}, w_value = x.node() ? weights : Tensor{},
                   y_value = fused != Activation::none ? y : Tensor{}, dx = x.node(), dw = w.node(),
                   db = bias.node()](const Tensor& dy) {
                    Device& on = dy.on();
                    const std::int64_t in = x_value ? x_value.shape()[1] : w_value.shape()[1];
                    if (on.backend().linear_backward && kernels::one_launch_gradients(dy.shape()[0], in, dy.shape()[1]))
                      return on.run(&Backend::linear_backward, fused, x_value, w_value, y_value, dy, into(dx), into(dw),
                                    into(db));
                    const Tensor dz = before_activation(fused, y_value, dy);
                    if (db) on.run(&Backend::column_sums, dz, into(db));
                    if (dw) on.run(&Backend::matmul, {.transpose_a = true}, dz, x_value, {}, into(dw));
                    if (dx) on.run(&Backend::matmul, {}, dz, w_value, {}, into(dx));
                  });
  });
}

}  // namespace tessera
