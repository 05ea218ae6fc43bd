#include "engine/ops/loss.h"

#include "engine/ops/arithmetic.h"
#include "engine/ops/check.h"

namespace tessera {
namespace {

void check_labels(const char* op, const Tensor& logits, const Tensor& labels) {
  require_rank(op, "logits", logits, 2, "N,outputs");
  require_shape(op, "labels", labels, {logits.shape()[0]});
  require(labels.dtype() == DType::i32, std::string("[") + op + "] labels must be int32");
}

Tensor mean_of(const Tensor& losses) { return mean(Variable(losses)).value(); }

}  // namespace

Variable softmax_cross_entropy(const Variable& logits, const Tensor& labels, double smoothing) {
  check_labels("softmax_cross_entropy", logits.value(), labels);
  Device& device = logits.value().on();
  Tensor losses = Tensor::empty(logits.value().device(), labels.shape(), logits.value().dtype());
  device.run(&Backend::softmax_cross_entropy_forward, smoothing, logits.value(), labels, losses);

  return record("softmax_cross_entropy", mean_of(losses), {logits},
                [smoothing, z = logits.value(), labels, dz = logits.node()](const Tensor& dloss) {
                  Device& on = dloss.on();
                  on.run(&Backend::softmax_cross_entropy_backward, smoothing, z, labels, dloss, into(dz));
                });
}

Variable sigmoid_cross_entropy(const Variable& logits, const Tensor& labels) {
  check_labels("sigmoid_cross_entropy", logits.value(), labels);
  require(logits.shape()[1] == 1,
          "[sigmoid_cross_entropy] logits are " + to_string(logits.shape()) + ", expected one output");
  Device& device = logits.value().on();
  Tensor losses = Tensor::empty(logits.value().device(), labels.shape(), logits.value().dtype());
  device.run(&Backend::sigmoid_cross_entropy_forward, logits.value(), labels, losses);

  return record("sigmoid_cross_entropy", mean_of(losses), {logits},
                [z = logits.value(), labels, dz = logits.node()](const Tensor& dloss) {
                  Device& on = dloss.on();
                  on.run(&Backend::sigmoid_cross_entropy_backward, z, labels, dloss, into(dz));
                });
}

Variable mean_squared_error(const Variable& prediction, const Variable& target) {
  require_shape("mean_squared_error", "target", target.value(), prediction.shape());
  return mean(square(prediction - target));
}

Variable l2_penalty(const Variable& w, double coefficient) {
  Device& device = w.value().on();
  Tensor y = Tensor::empty(w.value().device(), {1}, w.value().dtype());
  device.run(&Backend::sum_of_squares, coefficient, w.value(), {y, false});

  return record("l2_penalty", y, {w}, [coefficient, w_value = w.value(), dw = w.node()](const Tensor& dy) {
    dy.on().run(&Backend::scale, 2.0 * coefficient, dy, w_value, into(dw));
  });
}

}  // namespace tessera
