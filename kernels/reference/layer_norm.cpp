// Reference layer normalisation, one row after another.
#include <vector>

#include "kernels/reference/real.h"
#include "kernels/reference/slots.h"

namespace tessera::kernels::reference {

void layer_norm_forward(Stream&, double epsilon, ConstView x, ConstView gamma, ConstView beta, View y, View mean,
                        View rstd) {
  with_real("layer_norm_forward", x.dtype, [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t columns = x.dims.last();
    for (std::int64_t i = 0; i < x.count() / columns; ++i) {
      const T* row = x.as<T>() + i * columns;
      double total = 0, squares = 0;
      for (std::int64_t j = 0; j < columns; ++j) total += row[j];
      const double average = total / static_cast<double>(columns);
      for (std::int64_t j = 0; j < columns; ++j) squares += (row[j] - average) * (row[j] - average);
      const double r = 1 / std::sqrt(squares / static_cast<double>(columns) + epsilon);
      for (std::int64_t j = 0; j < columns; ++j)
        write(y.as<T>()[i * columns + j], gamma.as<T>()[j] * (row[j] - average) * r + beta.as<T>()[j], false);
      write(mean.as<T>()[i], average, false);
      write(rstd.as<T>()[i], r, false);
    }
  });
}

void layer_norm_backward(Stream&, ConstView x, ConstView dy, ConstView gamma, ConstView mean, ConstView rstd, Gradient dx,
                         Gradient dgamma, Gradient dbeta) {
  with_real("layer_norm_backward", x.dtype, [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t columns = x.dims.last(), rows = x.count() / columns;
    const double c = static_cast<double>(columns);
    std::vector<double> gamma_sums(static_cast<std::size_t>(columns)), beta_sums(gamma_sums.size());
    for (std::int64_t i = 0; i < rows; ++i) {
      const double average = mean.as<T>()[i], r = rstd.as<T>()[i];
      const auto normalised = [&](std::int64_t j) { return (x.as<T>()[i * columns + j] - average) * r; };
      const auto g = [&](std::int64_t j) { return static_cast<double>(gamma.as<T>()[j]) * dy.as<T>()[i * columns + j]; };
      double sum = 0, product = 0;
      for (std::int64_t j = 0; j < columns; ++j) {
        sum += g(j), product += g(j) * normalised(j);
        gamma_sums[static_cast<std::size_t>(j)] += dy.as<T>()[i * columns + j] * normalised(j);
        beta_sums[static_cast<std::size_t>(j)] += dy.as<T>()[i * columns + j];
      }
      if (!dx) continue;
      for (std::int64_t j = 0; j < columns; ++j)
        write(dx.view.as<T>()[i * columns + j], r * (g(j) - sum / c - normalised(j) * product / c), dx.accumulate);
    }
    for (std::size_t j = 0; j < gamma_sums.size(); ++j) {
      if (dgamma) write(dgamma.view.as<T>()[j], gamma_sums[j], dgamma.accumulate);
      if (dbeta) write(dbeta.view.as<T>()[j], beta_sums[j], dbeta.accumulate);
    }
  });
}

}  // namespace tessera::kernels::reference
