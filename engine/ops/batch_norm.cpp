#include "engine/ops/batch_norm.h"

#include "engine/ops/check.h"
#include "engine/ops/elementwise.h"

namespace tessera {

void require_batch_norm_shapes(const Variable& x, const Variable& residual, const Variable& gamma, const Variable& beta,
                               const Tensor& running_mean, const Tensor& running_var) {
  const Shape channels{x.shape().last()};
  require(x.shape().rank >= 2,
          "[batch_norm] input is " + to_string(x.shape()) + ", expected at least two axes, channels last");
  require_shape("batch_norm", "gamma", gamma.value(), channels);
  require_shape("batch_norm", "beta", beta.value(), channels);
  require_shape("batch_norm", "running mean", running_mean, channels);
  require_shape("batch_norm", "running variance", running_var, channels);
  if (residual) require_shape("batch_norm", "residual", residual.value(), x.shape());
}

Variable batch_norm(const Variable& x, const Variable& residual, const Variable& gamma, const Variable& beta,
                    const Tensor& running_mean, const Tensor& running_var, const BatchNormParams& params,
                    bool batch_statistics, const Tensor& statistics) {
  if (params.activation != Activation::none && params.activation != Activation::relu) {  // those the kernels fuse
    BatchNormParams plain = params;
    plain.activation = Activation::none;
    return activate(batch_norm(x, residual, gamma, beta, running_mean, running_var, plain, batch_statistics, statistics),
                    params.activation);
  }
  require_batch_norm_shapes(x, residual, gamma, beta, running_mean, running_var);

  Device& device = x.value().on();
  Tensor y = x.value().like();
  const bool wanted = x.requires_grad() || residual.requires_grad() || gamma.requires_grad() || beta.requires_grad();
  Tensor mean = running_mean, rstd;
  if (batch_statistics || wanted) rstd = running_var.like();
  if (batch_statistics) {
    mean = running_mean.like();
    device.run(&Backend::batch_norm_training, params, x.value(), statistics, residual.value(), gamma.value(), beta.value(),
               running_mean, running_var, y, mean, rstd);
  } else {
    device.run(&Backend::batch_norm_inference, params, x.value(), residual.value(), gamma.value(), beta.value(),
               running_mean, running_var, y, rstd);
  }

  const bool activated = params.activation != Activation::none;
  // The residual first: backward() then walks x's branch before it, so that where both begin at one value, the first of two
  // 3×3 convolutions writes its gradient and a projection of stride 2 adds to the quarter that it reads.
  return record(
      "batch_norm", y, {residual, x, gamma, beta},
      [params, batch_statistics, x_value = x.value(), y_value = activated ? y : Tensor{}, gamma_value = gamma.value(), mean,
       rstd, dx = x.node(), dresidual = residual.node(), dgamma = gamma.node(), dbeta = beta.node()](const Tensor& dy) {
        Device& on = dy.on();
        // Without an activation the residual's gradient is dy itself.
        const bool pass_through = dresidual && params.activation == Activation::none;
        if (pass_through) dresidual->pass(dy);
        // One value in both roles: two sinks of one buffer must not be written by one kernel.
        const bool twice = !pass_through && dresidual && dresidual == dx;
        const Tensor share = twice ? dy.like() : Tensor{};
        const kernels::Gradient to_residual = pass_through ? kernels::Gradient{}
                                              : twice      ? kernels::Gradient{share, false}
                                                           : into(dresidual);
        on.run(&Backend::batch_norm_backward, params, batch_statistics, x_value, y_value, dy, gamma_value, mean, rstd,
               into(dx), to_residual, into(dgamma), into(dbeta));
        if (twice) dresidual->pass(share);
      });
}

}  // namespace tessera
