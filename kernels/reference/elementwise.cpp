// Reference kernels without sums: conversions, activations, dropout, permute, copy_columns.
#include "kernels/philox.h"
#include "kernels/reference/activation.h"
#include "kernels/reference/real.h"
#include "kernels/reference/slots.h"

namespace tessera::kernels::reference {

void convert(Stream&, ConstView x, Gradient y) {
  with_any_real("convert", x.dtype, [&](auto from) {
    with_any_real("convert", y.view.dtype, [&](auto to) {
      using From = decltype(from);
      using To = decltype(to);
      for (std::int64_t i = 0; i < x.count(); ++i) {
        To& element = y.view.as<To>()[i];
        const double value = as_double(x.as<From>()[i]);
        element = rounded<To>(y.accumulate ? as_double(element) + value : value);
      }
    });
  });
}

void activation_forward(Stream&, Activation f, ConstView x, View y) {
  with_real("activation_forward", x.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t i = 0; i < x.count(); ++i) write(y.as<T>()[i], activate(f, x.as<T>()[i]), false);
  });
}

void activation_backward(Stream&, Activation f, ConstView v, ConstView dy, Gradient dx) {
  with_real("activation_backward", v.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t i = 0; i < v.count(); ++i)
      write(dx.view.as<T>()[i], activation_gradient(f, v.as<T>()[i], dy.as<T>()[i]), dx.accumulate);
  });
}

void dropout(Stream&, const DropoutParams& p, const StepState* state, ConstView x, Gradient y) {
  with_real("dropout", x.dtype, [&](auto zero) {
    using T = decltype(zero);
    const std::uint64_t stream = dropout_stream(state->step, p.layer);
    for (std::int64_t i = 0; i < x.count(); ++i) {
      const Random4 random = philox(p.seed, Purpose::dropout, stream, static_cast<std::uint64_t>(i / 4));
      const bool keep = to_unit(random.v[i % 4]) >= static_cast<float>(p.probability);
      write(y.view.as<T>()[i], keep ? x.as<T>()[i] / (1 - p.probability) : 0, y.accumulate);
    }
  });
}

void permute(Stream&, std::array<int, 4> axes, ConstView x, Gradient y) {
  with_real("permute", x.dtype, [&](auto zero) {
    using T = decltype(zero);
    const Dims& d = y.view.dims;
    T* to = y.view.as<T>();
    std::int64_t at[4];  // position in x of the element of y that comes next in memory
    const auto extent = [&](int i) { return d[i]; };
    const auto axis = [&](int i) -> std::int64_t& { return at[axes[static_cast<std::size_t>(i)]]; };
    for (axis(0) = 0; axis(0) < extent(0); ++axis(0))
      for (axis(1) = 0; axis(1) < extent(1); ++axis(1))
        for (axis(2) = 0; axis(2) < extent(2); ++axis(2))
          for (axis(3) = 0; axis(3) < extent(3); ++axis(3))
            write(*to++, x.as<T>()[((at[0] * x.dims[1] + at[1]) * x.dims[2] + at[2]) * x.dims[3] + at[3]], y.accumulate);
  });
}

void copy_columns(Stream&, std::int64_t columns, ConstView x, std::int64_t from, Gradient y, std::int64_t to) {
  with_real("copy_columns", x.dtype, [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t x_columns = x.dims.last(), y_columns = y.view.dims.last();
    for (std::int64_t i = 0; i < x.count() / x_columns; ++i)
      for (std::int64_t j = 0; j < columns; ++j)
        write(y.view.as<T>()[i * y_columns + to + j], x.as<T>()[i * x_columns + from + j], y.accumulate);
  });
}

}  // namespace tessera::kernels::reference
