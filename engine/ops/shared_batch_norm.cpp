#include "engine/ops/shared_batch_norm.h"

#include <algorithm>
#include <cmath>

#include "engine/ops/check.h"
#include "engine/ops/elementwise.h"

namespace tessera {
namespace {

std::vector<double> on_host(const Tensor& values) {
  if (values.dtype() == DType::f64) return values.to_host<double>();
  const std::vector<float> narrow = values.to_host<float>();
  return {narrow.begin(), narrow.end()};
}

void upload(const std::vector<double>& values, const Tensor& to) {
  if (to.dtype() == DType::f64) return to.copy_from(std::span<const double>(values));
  const std::vector<float> narrow(values.begin(), values.end());
  to.copy_from(std::span<const float>(narrow));
}

// Of the type and the device of `like`.
Tensor on_device(const std::vector<double>& values, const Tensor& like) {
  Tensor t = like.like();
  upload(values, t);
  return t;
}

// running = (1 − momentum)·running + momentum·factor·now
void move(const Tensor& running, double momentum, const std::vector<double>& now, double factor) {
  std::vector<double> values = on_host(running);
  for (std::size_t c = 0; c < values.size(); ++c) values[c] = (1 - momentum) * values[c] + momentum * factor * now[c];
  upload(values, running);
}

struct Moments {
  double rows = 0;
  std::vector<double> mean, var;
};

// Of the whole batch, from what batch_norm_training left of this process's rows.
Moments joined(const BatchShares& shares, double rows, const Tensor& mean, const Tensor& rstd, double epsilon) {
  const std::vector<double> own_mean = on_host(mean), own_rstd = on_host(rstd);
  const std::size_t channels = own_mean.size();
  std::vector<double> own(1 + 2 * channels, 0.0);
  if (shares.counts()) {
    own[0] = rows;
    for (std::size_t c = 0; c < channels; ++c) {
      own[1 + c] = own_mean[c];
      own[1 + channels + c] = std::max(1 / (own_rstd[c] * own_rstd[c]) - epsilon, 0.0);
    }
  }
  const std::vector<std::vector<double>> all = shares.gather(own);
  Moments whole{.rows = 0, .mean = std::vector<double>(channels), .var = std::vector<double>(channels)};
  for (const std::vector<double>& each : all) whole.rows += each[0];
  for (std::size_t c = 0; c < channels; ++c) {
    for (const std::vector<double>& each : all) whole.mean[c] += each[0] * each[1 + c];
    whole.mean[c] /= whole.rows;
    for (const std::vector<double>& each : all) {
      const double apart = each[1 + c] - whole.mean[c];
      whole.var[c] += each[0] * (each[1 + channels + c] + apart * apart);
    }
    whole.var[c] /= whole.rows;
  }
  return whole;
}

// Σdz and Σdz·x̂ of the whole batch, one behind the other.
std::vector<double> summed(const BatchShares& shares, const Tensor& sum_dz, const Tensor& sum_dz_x) {
  std::vector<double> own = on_host(sum_dz), more = on_host(sum_dz_x);
  own.insert(own.end(), more.begin(), more.end());
  if (!shares.counts()) std::fill(own.begin(), own.end(), 0.0);
  std::vector<double> sums(own.size());
  for (const std::vector<double>& each : shares.gather(own))
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += each[i];
  return sums;
}

}  // namespace

Variable shared_batch_norm(const Variable& x, const Variable& residual, const Variable& gamma, const Variable& beta,
                           const Tensor& running_mean, const Tensor& running_var, const BatchNormParams& params,
                           const BatchShares& shares, const Tensor& statistics) {
  BatchNormParams plain = params;
  plain.activation = Activation::none;
  if (params.activation != Activation::none && params.activation != Activation::relu)  // those the kernels fuse
    return activate(shared_batch_norm(x, residual, gamma, beta, running_mean, running_var, plain, shares, statistics),
                    params.activation);
  require_batch_norm_shapes(x, residual, gamma, beta, running_mean, running_var);

  Device& device = x.value().on();
  const double own_rows = static_cast<double>(x.value().count() / x.shape().last());
  Tensor y = x.value().like(), mean = running_mean.like(), rstd = mean.like();
  // This process's mean and rstd; of the rest nothing is kept.
  const auto thrown_away = [&] { return Tensor::zeros(mean.device(), mean.shape(), mean.dtype()); };
  device.run(&Backend::batch_norm_training, plain, x.value(), statistics, {}, gamma.value(), beta.value(), thrown_away(),
             thrown_away(), y, mean, rstd);
  const Moments whole = joined(shares, own_rows, mean, rstd, params.epsilon);
  mean = on_device(whole.mean, running_mean);
  const Tensor var = on_device(whole.var, running_var);
  device.run(&Backend::batch_norm_inference, params, x.value(), residual.value(), gamma.value(), beta.value(), mean, var, y,
             rstd);
  const double entering = params.unbiased_variance && whole.rows > 1 ? whole.rows / (whole.rows - 1) : 1;
  move(running_mean, params.momentum, whole.mean, 1);
  move(running_var, params.momentum, whole.var, entering);

  const bool activated = params.activation != Activation::none;
  return record("shared_batch_norm", y, {x, residual, gamma, beta},
                [params, plain, &shares, rows = whole.rows, x_value = x.value(), y_value = activated ? y : Tensor{},
                 gamma_value = gamma.value(), mean, var, rstd, dx = x.node(), dresidual = residual.node(),
                 dgamma = gamma.node(), dbeta = beta.node()](const Tensor& dy) {
                  Device& on = dy.on();
                  const bool pass_through = dresidual && params.activation == Activation::none;
                  if (pass_through) dresidual->pass(dy);
                  // gamma·rstd·dz, and of this process Σdz and Σdz·x̂.
                  const Tensor scaled = dx ? dy.like() : Tensor{}, sum_dz = mean.like(), sum_dz_x = mean.like();
                  on.run(&Backend::batch_norm_backward, params, false, x_value, y_value, dy, gamma_value, mean, rstd,
                         dx ? kernels::Gradient{scaled, false} : kernels::Gradient{},
                         pass_through ? kernels::Gradient{} : into(dresidual), {sum_dz_x, false}, {sum_dz, false});
                  if (dgamma) dgamma->pass(sum_dz_x);
                  if (dbeta) dbeta->pass(sum_dz);
                  if (!dx) return;
                  // What the whole batch's statistics take from it is linear in x̂, as a normalisation is.
                  const std::vector<double> sums = summed(shares, sum_dz, sum_dz_x), g = on_host(gamma_value),
                                            r = on_host(rstd);
                  std::vector<double> factor(g.size()), offset(g.size());
                  for (std::size_t c = 0; c < g.size(); ++c) {
                    offset[c] = -g[c] * r[c] * sums[c] / rows;
                    factor[c] = -g[c] * r[c] * sums[g.size() + c] / rows;
                  }
                  const Tensor result = dy.like();
                  on.run(&Backend::batch_norm_inference, plain, x_value, scaled, on_device(factor, gamma_value),
                         on_device(offset, gamma_value), mean, var, result, {});
                  dx->pass(result);
                });
}

}  // namespace tessera
