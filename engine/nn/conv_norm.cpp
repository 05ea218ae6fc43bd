#include "engine/nn/conv_norm.h"

namespace tessera {

Variable conv_norm(const Context& context, const Conv2d& conv, const BatchNorm& norm, const Variable& x,
                   Activation activation, const Variable& residual) {
  const Variable w = conv.weight.in(context), bias = conv.bias.in(context), gamma = norm.weight.in(context),
                 beta = norm.bias.in(context);
  if (norm.uses_batch_statistics(context)) {
    const auto [y, statistics] = at(conv, [&] { return conv2d_with_statistics(x, w, bias, conv.op_options()); });
    context.done(conv, "conv", y, conv.flops(y.value()));
    return norm.with_statistics(context, y, statistics, activation, residual);
  }
  for (const Variable& operand : {x, w, bias, gamma, beta, residual})
    if (operand.requires_grad()) return norm(context, conv(context, x), activation, residual);

  const Tensor y = at(conv, [&] {
    return conv2d_folded(x, w, bias, conv.op_options(),
                         {.gamma = gamma.value(),
                          .beta = beta.value(),
                          .running_mean = norm.running_mean.value(),
                          .running_var = norm.running_var.value(),
                          .params = norm.params(activation)},
                         residual.value());
  });
  context.done(conv, "conv", y, conv.flops(y));
  context.done(norm, residual ? "batch norm + add" : "batch norm", y, 2.0 * static_cast<double>(y.count()));
  return y;
}

}  // namespace tessera
