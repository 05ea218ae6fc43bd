// Reference arithmetic of elements, and scaling.
#include "kernels/reference/real.h"
#include "kernels/reference/slots.h"

namespace tessera::kernels::reference {

void arithmetic(Stream&, Arithmetic operation, ConstView a, ConstView b, Gradient y) {
  with_real("arithmetic", y.view.dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto result = [&](double left, double right) {
      switch (operation) {
        case Arithmetic::add: return left + right;
        case Arithmetic::subtract: return left - right;
        case Arithmetic::multiply: return left * right;
        case Arithmetic::divide: return left / right;
      }
      return 0.0;
    };
    for (std::int64_t i = 0; i < y.view.count(); ++i)
      write(y.view.as<T>()[i], result(a.as<T>()[i % a.count()], b.as<T>()[i % b.count()]), y.accumulate);
  });
}

void scale(Stream&, double alpha, ConstView factor, ConstView x, Gradient y) {
  with_real("scale", x.dtype, [&](auto zero) {
    using T = decltype(zero);
    const double by = factor ? alpha * *factor.as<T>() : alpha;
    for (std::int64_t i = 0; i < y.view.count(); ++i) write(y.view.as<T>()[i], by * x.as<T>()[i % x.count()], y.accumulate);
  });
}

void scale_rows(Stream&, ConstView factors, ConstView x, Gradient y) {
  with_real("scale_rows", y.view.dtype, [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t rows = factors.count(), columns = rows > 0 ? y.view.count() / rows : 0;
    for (std::int64_t i = 0; i < y.view.count(); ++i)
      write(y.view.as<T>()[i], static_cast<double>(factors.as<T>()[i / columns]) * x.as<T>()[i], y.accumulate);
  });
}

}  // namespace tessera::kernels::reference
