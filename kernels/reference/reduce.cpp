// Reference kernels that only sum.
#include "kernels/reference/real.h"
#include "kernels/reference/slots.h"

namespace tessera::kernels::reference {

void sum(Stream&, double alpha, ConstView x, Gradient y) {
  with_real("sum", x.dtype, [&](auto zero) {
    using T = decltype(zero);
    double total = 0;
    for (std::int64_t i = 0; i < x.count(); ++i) total += x.as<T>()[i];
    write(*y.view.as<T>(), alpha * total, y.accumulate);
  });
}

void sum_of_squares(Stream&, double alpha, ConstView x, Gradient y) {
  with_real("sum_of_squares", x.dtype, [&](auto zero) {
    using T = decltype(zero);
    double total = 0;
    for (std::int64_t i = 0; i < x.count(); ++i) {
      const double v = x.as<T>()[i];
      total += v * v;
    }
    write(*y.view.as<T>(), alpha * total, y.accumulate);
  });
}

void column_sums(Stream&, ConstView x, Gradient y) {
  with_real("column_sums", x.dtype, [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t columns = x.dims.last();
    for (std::int64_t j = 0; j < columns; ++j) {
      double total = 0;
      for (std::int64_t at = j; at < x.count(); at += columns) total += x.as<T>()[at];
      write(y.view.as<T>()[j], total, y.accumulate);
    }
  });
}

}  // namespace tessera::kernels::reference
