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

// Both cross-entropies of a batch: losses of its samples by `forward`, which may also return their mean; their gradients by
// `backward`.
template <class Forward, class Backward>
Variable weighted_mean(const char* op, const Variable& logits, const Tensor& labels, const Tensor& weights,
                       const Forward& forward, const Backward& backward_of) {
  check_labels(op, logits.value(), labels);
  if (weights) require_shape(op, "weights", weights, labels.shape());
  Device& device = logits.value().on();
  const Tensor losses = Tensor::empty(logits.value().device(), labels.shape(), logits.value().dtype());
  Tensor average = forward(device, losses);
  if (weights) device.run(&Backend::arithmetic, kernels::Arithmetic::multiply, losses, weights, {losses, false});
  if (weights || !average) average = mean(Variable(losses)).value();

  return record(op, average, {logits}, [backward_of, weights, z = logits.value(), dz = logits.node()](const Tensor& dloss) {
    if (!weights) return backward_of(dloss, into(dz));
    const Tensor unweighted = z.like();
    backward_of(dloss, {unweighted, false});
    dloss.on().run(&Backend::scale_rows, weights, unweighted, into(dz));
  });
}

}  // namespace

Variable softmax_cross_entropy(const Variable& logits, const Tensor& labels, double smoothing, const Tensor& weights) {
  return weighted_mean(
      "softmax_cross_entropy", logits, labels, weights,
      [&](Device& on, const Tensor& losses) {
        const Tensor average = weights ? Tensor() : Tensor::empty(losses.device(), {1}, losses.dtype());
        on.run(&Backend::softmax_cross_entropy_forward, smoothing, logits.value(), labels, losses, average);
        return average;
      },
      [smoothing, z = logits.value(), labels](const Tensor& dloss, const kernels::Gradient& dz) {
        dloss.on().run(&Backend::softmax_cross_entropy_backward, smoothing, z, labels, dloss, dz);
      });
}

Variable sigmoid_cross_entropy(const Variable& logits, const Tensor& labels, double smoothing, const Tensor& weights) {
  require(logits.shape().last() == 1,
          "[sigmoid_cross_entropy] logits are " + to_string(logits.shape()) + ", expected one output");
  return weighted_mean(
      "sigmoid_cross_entropy", logits, labels, weights,
      [&](Device& on, const Tensor& losses) {
        on.run(&Backend::sigmoid_cross_entropy_forward, smoothing, logits.value(), labels, losses);
        return Tensor();
      },
      [smoothing, z = logits.value(), labels](const Tensor& dloss, const kernels::Gradient& dz) {
        dloss.on().run(&Backend::sigmoid_cross_entropy_backward, smoothing, z, labels, dloss, dz);
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
