// Reference batch normalisation, one channel after another.
#include <algorithm>

#include "kernels/reference/activation.h"
#include "kernels/reference/real.h"
#include "kernels/reference/slots.h"

namespace tessera::kernels::reference {
namespace {

// The elements of channel c: c, c + C, c + 2C, …
template <class Visit>
void for_each_in_channel(const Dims& dims, std::int64_t c, Visit&& visit) {
  for (std::int64_t i = c; i < dims.count(); i += dims.last()) visit(i);
}

// Of one channel.
struct Moments {
  double mean, squares;  // Σ (x − mean)²
};

template <class T>
Moments moments(ConstView x, std::int64_t c) {
  double total = 0, squares = 0;
  for_each_in_channel(x.dims, c, [&](std::int64_t i) { total += x.as<T>()[i]; });
  const double mean = total / static_cast<double>(x.count() / x.dims.last());
  for_each_in_channel(x.dims, c, [&](std::int64_t i) { squares += (x.as<T>()[i] - mean) * (x.as<T>()[i] - mean); });
  return {mean, squares};
}

// The same from the means and squares of slices of statistics_rows rows.
template <class T>
Moments joined_moments(ConstView statistics, const Dims& dims, std::int64_t c) {
  const std::int64_t channels = dims.last(), rows = dims.count() / channels;
  const auto mean_of = [&](std::int64_t slice) -> double { return statistics.as<T>()[2 * slice * channels + c]; };
  const auto squares_of = [&](std::int64_t slice) -> double { return statistics.as<T>()[(2 * slice + 1) * channels + c]; };
  const auto rows_of = [&](std::int64_t slice) {
    return static_cast<double>(std::min(statistics_rows, rows - slice * statistics_rows));
  };
  const std::int64_t slices = (rows + statistics_rows - 1) / statistics_rows;
  double total = 0, squares = 0;
  for (std::int64_t i = 0; i < slices; ++i) total += rows_of(i) * mean_of(i);
  const double mean = total / static_cast<double>(rows);
  for (std::int64_t i = 0; i < slices; ++i)
    squares += squares_of(i) + rows_of(i) * (mean_of(i) - mean) * (mean_of(i) - mean);
  return {mean, squares};
}

template <class T>
void normalise(const BatchNormParams& p, ConstView x, ConstView residual, ConstView gamma, ConstView beta, std::int64_t c,
               double mean, double rstd, View y) {
  for_each_in_channel(x.dims, c, [&](std::int64_t i) {
    double value = gamma.as<T>()[c] * (x.as<T>()[i] - mean) * rstd + beta.as<T>()[c];
    if (residual) value += residual.as<T>()[i];
    write(y.as<T>()[i], activate(p.activation, value), false);
  });
}

// Enters a batch of m rows into the running statistics of channel c.
template <class T>
void run_on(const BatchNormParams& p, double m, double mean, double var, std::int64_t c, View running_mean,
            View running_var) {
  T &running_m = running_mean.as<T>()[c], &running_v = running_var.as<T>()[c];
  const double entering = p.unbiased_variance && m > 1 ? var * m / (m - 1) : var;
  write(running_m, (1 - p.momentum) * running_m + p.momentum * mean, false);
  write(running_v, (1 - p.momentum) * running_v + p.momentum * entering, false);
}

}  // namespace

void batch_norm_training(Stream&, const BatchNormParams& p, ConstView x, ConstView statistics, ConstView residual,
                         ConstView gamma, ConstView beta, View running_mean, View running_var, View y, View mean,
                         View rstd) {
  with_real("batch_norm_training", x.dtype, [&](auto zero) {
    using T = decltype(zero);
    const double m = static_cast<double>(x.count() / x.dims.last());
    for (std::int64_t c = 0; c < x.dims.last(); ++c) {
      const auto [average, squares] = statistics ? joined_moments<T>(statistics, x.dims, c) : moments<T>(x, c);
      const double var = squares / m, r = 1 / std::sqrt(var + p.epsilon);
      normalise<T>(p, x, residual, gamma, beta, c, average, r, y);
      write(mean.as<T>()[c], average, false);
      write(rstd.as<T>()[c], r, false);
      run_on<T>(p, m, average, var, c, running_mean, running_var);
    }
  });
}

void batch_norm_running(Stream&, const BatchNormParams& p, std::int64_t rows, ConstView mean, ConstView rstd,
                        View running_mean, View running_var) {
  with_real("batch_norm_running", mean.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t c = 0; c < mean.count(); ++c) {
      const double r = rstd.as<T>()[c];
      run_on<T>(p, static_cast<double>(rows), mean.as<T>()[c], std::max(1 / (r * r) - p.epsilon, 0.0), c, running_mean,
                running_var);
    }
  });
}

void batch_norm_inference(Stream&, const BatchNormParams& p, ConstView x, ConstView residual, ConstView gamma,
                          ConstView beta, ConstView running_mean, ConstView running_var, View y, View rstd) {
  with_real("batch_norm_inference", x.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t c = 0; c < x.dims.last(); ++c) {
      const double r = 1 / std::sqrt(running_var.as<T>()[c] + p.epsilon);
      normalise<T>(p, x, residual, gamma, beta, c, running_mean.as<T>()[c], r, y);
      if (rstd) write(rstd.as<T>()[c], r, false);
    }
  });
}

void batch_norm_fold(Stream&, const BatchNormParams& p, ConstView bias, ConstView gamma, ConstView beta,
                     ConstView running_mean, ConstView running_var, View scale, View shift) {
  with_real("batch_norm_fold", gamma.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t c = 0; c < gamma.count(); ++c) {
      const double factor = gamma.as<T>()[c] / std::sqrt(running_var.as<T>()[c] + p.epsilon);
      const double from = bias ? static_cast<double>(bias.as<T>()[c]) : 0;
      write(scale.as<T>()[c], factor, false);
      write(shift.as<T>()[c], beta.as<T>()[c] + (from - running_mean.as<T>()[c]) * factor, false);
    }
  });
}

void batch_norm_backward(Stream&, const BatchNormParams& p, bool batch_statistics, ConstView x, ConstView y, ConstView dy,
                         ConstView gamma, ConstView mean, ConstView rstd, Gradient dx, Gradient dresidual, Gradient dgamma,
                         Gradient dbeta) {
  with_real("batch_norm_backward", x.dtype, [&](auto zero) {
    using T = decltype(zero);
    const double m = static_cast<double>(x.count() / x.dims.last());
    for (std::int64_t c = 0; c < x.dims.last(); ++c) {
      const double average = mean.as<T>()[c], r = rstd.as<T>()[c];
      const auto normalised = [&](std::int64_t i) { return (x.as<T>()[i] - average) * r; };
      const auto dz = [&](std::int64_t i) -> double {
        return p.activation == Activation::none ? dy.as<T>()[i]
                                                : activation_gradient(p.activation, y.as<T>()[i], dy.as<T>()[i]);
      };
      double sum_dz = 0, sum_dz_x = 0;
      for_each_in_channel(x.dims, c, [&](std::int64_t i) {
        sum_dz += dz(i);
        sum_dz_x += dz(i) * normalised(i);
      });
      for_each_in_channel(x.dims, c, [&](std::int64_t i) {
        const double d = dz(i);  // read before dx or dresidual is written: either may be dy
        const double centred = batch_statistics ? d - sum_dz / m - normalised(i) * sum_dz_x / m : d;
        if (dx) write(dx.view.as<T>()[i], gamma.as<T>()[c] * r * centred, dx.accumulate);
        if (dresidual) write(dresidual.view.as<T>()[i], d, dresidual.accumulate);
      });
      if (dgamma) write(dgamma.view.as<T>()[c], sum_dz_x, dgamma.accumulate);
      if (dbeta) write(dbeta.view.as<T>()[c], sum_dz, dbeta.accumulate);
    }
  });
}

}  // namespace tessera::kernels::reference
