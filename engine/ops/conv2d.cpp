#include "engine/ops/conv2d.h"

#include "engine/ops/check.h"
#include "engine/ops/fused_activation.h"

namespace tessera {
namespace {

kernels::Conv2dShape shape_of(const Tensor& x, const Tensor& w, const Tensor& bias, const Conv2dOptions& options) {
  require_rank("conv2d", "input", x, 4, "N,H,W,C");
  require_rank("conv2d", "filter", w, 4, "K,R,S,C");
  const std::int64_t groups = options.groups, channels = x.shape()[3], expected = w.shape()[3] * groups;
  require(groups >= 1 && channels % groups == 0 && w.shape()[0] % groups == 0,
          "[conv2d] " + std::to_string(groups) + " groups do not divide the " + std::to_string(channels) +
              " channels of input " + to_string(x.shape()) + " (N,H,W,C) and the " + std::to_string(w.shape()[0]) +
              " filters " + to_string(w.shape()) + " (K,R,S,C)");
  require(channels == expected, "[conv2d] input " + to_string(x.shape()) + " (N,H,W,C) has " + std::to_string(channels) +
                                    " channels, filter " + to_string(w.shape()) + " (K,R,S,C)" +
                                    (groups > 1 ? " in " + std::to_string(groups) + " groups" : "") + " expects " +
                                    std::to_string(expected));
  if (bias) require_shape("conv2d", "bias", bias, {w.shape()[0]});
  const Padding& pad = options.padding;
  const WindowAxis rows = window_axis(x.shape()[1], w.shape()[1], options.stride, pad.same, pad.top, pad.bottom);
  const WindowAxis columns = window_axis(x.shape()[2], w.shape()[2], options.stride, pad.same, pad.left, pad.right);
  require(rows.out > 0 && columns.out > 0, "[conv2d] filter " + to_string(w.shape()) +
                                               " (K,R,S,C) is larger than the padded input " + to_string(x.shape()) +
                                               " (N,H,W,C)");
  return {.n = x.shape()[0],
          .h = x.shape()[1],
          .w = x.shape()[2],
          .c = x.shape()[3],
          .k = w.shape()[0],
          .r = w.shape()[1],
          .s = w.shape()[2],
          .p = rows.out,
          .q = columns.out,
          .stride = options.stride,
          .pad_top = rows.before,
          .pad_left = columns.before,
          .groups = groups};
}

// Records the convolution that made y.
Variable record_conv2d(const kernels::Conv2dShape& shape, const Tensor& y, const Variable& x, const Variable& w,
                       const Tensor& filters, const Variable& bias, Activation fused) {
  return record("conv2d", y, {x, w, bias},
                [shape, fused, x_value = w.node() ? x.value() : Tensor{}, w_value = x.node() ? filters : Tensor{},
                 y_value = fused != Activation::none ? y : Tensor{}, dx = x.node(), dw = w.node(),
                 db = bias.node()](const Tensor& dy) {
                  Device& on = dy.on();
                  if (on.backend().conv2d_backward && kernels::few_channels(shape))
                    return on.run(&Backend::conv2d_backward, shape, fused, x_value, w_value, y_value, dy, into(dx), into(dw),
                                  into(db));
                  const Tensor dz = before_activation(fused, y_value, dy);
                  if (db) on.run(&Backend::column_sums, dz, into(db));
                  if (dw) on.run(&Backend::conv2d_backward_weights, shape, x_value, dz, into(dw));
                  if (dx) on.run(&Backend::conv2d_backward_data, shape, dz, w_value, into(dx));
                });
}

Tensor output_for(const kernels::Conv2dShape& shape, const Tensor& x) {
  return Tensor::empty(x.device(), {shape.n, shape.p, shape.q, shape.k}, x.dtype());
}

}  // namespace

Variable conv2d(const Variable& x, const Variable& w, const Variable& bias, const Conv2dOptions& options) {
  const kernels::Conv2dShape shape = shape_of(x.value(), w.value(), bias.value(), options);
  const Tensor filters = w.as(x.value().dtype());
  return with_activation(options.activation, [&](Activation fused) {
    const Tensor y = output_for(shape, x.value());
    y.on().run(&Backend::conv2d_forward, shape, x.value(), filters, {.shift = bias.value(), .activation = fused}, y);
    return record_conv2d(shape, y, x, w, filters, bias, fused);
  });
}

Conv2dWithStatistics conv2d_with_statistics(const Variable& x, const Variable& w, const Variable& bias,
                                            const Conv2dOptions& options) {
  require(options.activation == Activation::none, "[conv2d] statistics are of the output before any activation");
  Device& device = x.value().on();
  if (options.groups > 1 || !device.backend().conv2d_forward_statistics) return {conv2d(x, w, bias, options), {}};
  const kernels::Conv2dShape shape = shape_of(x.value(), w.value(), bias.value(), options);
  const Tensor filters = w.as(x.value().dtype()), y = output_for(shape, x.value());
  const std::int64_t slices = (shape.n * shape.p * shape.q + kernels::statistics_rows - 1) / kernels::statistics_rows;
  const Tensor statistics = Tensor::empty(y.device(), {slices, 2, shape.k}, w.value().dtype());
  device.run(&Backend::conv2d_forward_statistics, shape, x.value(), filters, bias.value(), y, statistics);
  return {record_conv2d(shape, y, x, w, filters, bias, Activation::none), statistics};
}

Tensor conv2d_folded(const Variable& x, const Variable& w, const Variable& bias, const Conv2dOptions& options,
                     const FoldedNorm& norm, const Tensor& residual) {
  const kernels::Conv2dShape shape = shape_of(x.value(), w.value(), bias.value(), options);
  require(options.activation == Activation::none, "[conv2d] batch normalisation stands before the activation");
  for (const Tensor& of_channels : {norm.gamma, norm.beta, norm.running_mean, norm.running_var})
    require_shape("batch_norm", "parameter or statistic", of_channels, {shape.k});
  if (residual) require_shape("batch_norm", "residual", residual, {shape.n, shape.p, shape.q, shape.k});
  Device& device = x.value().on();
  const Tensor scale = norm.gamma.like(), shift = norm.gamma.like();
  device.run(&Backend::batch_norm_fold, norm.params, bias.value(), norm.gamma, norm.beta, norm.running_mean,
             norm.running_var, scale, shift);
  return with_activation(norm.params.activation,
                         [&](Activation fused) {
                           const Tensor y = output_for(shape, x.value());
                           device.run(&Backend::conv2d_forward, shape, x.value(), w.as(x.value().dtype()),
                                      {.scale = scale, .shift = shift, .residual = residual, .activation = fused}, y);
                           return Variable(y);
                         })
      .value();
}

}  // namespace tessera
