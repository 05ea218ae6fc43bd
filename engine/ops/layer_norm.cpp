#include "engine/ops/layer_norm.h"

#include "engine/ops/check.h"

namespace tessera {

Variable layer_norm(const Variable& x, const Variable& gamma, const Variable& beta, double epsilon) {
  require(x && x.shape().rank >= 1, "[layer_norm] a scalar has no axis to normalise");
  const Shape columns{x.shape().last()};
  require_shape("layer_norm", "gamma", gamma.value(), columns);
  require_shape("layer_norm", "beta", beta.value(), columns);

  const Shape rows{x.value().count() / columns.count()};
  const Tensor y = x.value().like(), mean = Tensor::empty(y.device(), rows, gamma.value().dtype()), rstd = mean.like();
  y.on().run(&Backend::layer_norm_forward, epsilon, x.value(), gamma.value(), beta.value(), y, mean, rstd);

  return record("layer_norm", y, {x, gamma, beta},
                [x_value = x.value(), gamma_value = gamma.value(), mean, rstd, dx = x.node(), dgamma = gamma.node(),
                 dbeta = beta.node()](const Tensor& dy) {
                  dy.on().run(&Backend::layer_norm_backward, x_value, dy, gamma_value, mean, rstd, into(dx), into(dgamma),
                              into(dbeta));
                });
}

}  // namespace tessera
