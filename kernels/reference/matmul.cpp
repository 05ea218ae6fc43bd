// Reference matrix product.
#include "kernels/reference/activation.h"
#include "kernels/reference/before_activation.h"
#include "kernels/reference/real.h"
#include "kernels/reference/slots.h"

namespace tessera::kernels::reference {

void matmul(Stream&, const MatmulParams& p, ConstView a, ConstView b, ConstView bias, Gradient c) {
  with_real("matmul", a.dtype, [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t m = c.view.dims[0], n = c.view.dims[1], k = p.transpose_a ? a.dims[0] : a.dims[1];
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        double total = bias ? static_cast<double>(bias.as<T>()[j]) : 0;
        for (std::int64_t l = 0; l < k; ++l) {
          const double left = a.as<T>()[p.transpose_a ? l * m + i : i * k + l];
          const double right = b.as<T>()[p.transpose_b ? j * k + l : l * n + j];
          total += left * right;
        }
        write(c.view.as<T>()[i * n + j], activate(p.activation, total), c.accumulate);
      }
  });
}

void linear_backward(Stream& stream, Activation f, ConstView x, ConstView w, ConstView y, ConstView dy, Gradient dx,
                     Gradient dw, Gradient db) {
  before_activation(stream, f, y, dy, [&](ConstView dz) {
    if (dx) matmul(stream, {}, dz, w, {}, dx);
    if (dw) matmul(stream, {.transpose_a = true}, dz, x, {}, dw);
    if (db) column_sums(stream, dz, db);
  });
}

}  // namespace tessera::kernels::reference
