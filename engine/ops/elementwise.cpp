#include "engine/ops/elementwise.h"

#include "engine/ops/arithmetic.h"
#include "engine/ops/check.h"

namespace tessera {

Variable activate(const Variable& x, Activation activation) {
  if (activation == Activation::none) return x;
  Device& device = x.value().on();
  Tensor y = x.value().like();
  device.run(&Backend::activation_forward, activation, x.value(), y);

  return record("activation", y, {x},
                [activation, v = kernels::needs_input(activation) ? x.value() : y, dx = x.node()](const Tensor& dy) {
                  dy.on().run(&Backend::activation_backward, activation, v, dy, into(dx));
                });
}

Variable add(const Variable& a, const Variable& b) {
  require_shape("add", "right operand", b.value(), a.shape());
  return a + b;
}

Variable convert(const Variable& x, DType type) {
  if (x.value().dtype() == type) return x;
  return record("convert", x.as(type), {x},
                [dx = x.node()](const Tensor& dy) { dy.on().run(&Backend::convert, dy, into(dx)); });
}

Variable dropout(const Variable& x, const kernels::DropoutParams& params, const kernels::StepState* state) {
  require(params.probability >= 0 && params.probability < 1, "[dropout] probability must lie in [0, 1)");
  Device& device = x.value().on();
  Tensor y = x.value().like();
  device.run(&Backend::dropout, params, state, x.value(), {y, false});

  return record("dropout", y, {x}, [params, state, dx = x.node()](const Tensor& dy) {
    dy.on().run(&Backend::dropout, params, state, dy, into(dx));
  });
}

Variable flatten(const Variable& x) {
  require_rank("flatten", "input", x.value(), 4, "N,H,W,C");
  const Shape in = x.shape();
  const Shape flat{in[0], in[1] * in[2] * in[3]};
  Device& device = x.value().on();
  const bool same_order = in[1] * in[2] == 1 || in[3] == 1;
  Tensor y = x.value();
  if (!same_order) {
    y = Tensor::empty(x.value().device(), {in[0], in[3], in[1], in[2]}, x.value().dtype());
    device.run(&Backend::permute, {0, 3, 1, 2}, x.value(), {y, false});
  }

  return record("flatten", y.reshape(flat), {x}, [in, same_order, dx = x.node()](const Tensor& dy) {
    if (same_order) return dx->pass(dy);
    dy.on().run(&Backend::permute, {0, 2, 3, 1}, dy.reshape({in[0], in[3], in[1], in[2]}), into(dx));
  });
}

}  // namespace tessera
