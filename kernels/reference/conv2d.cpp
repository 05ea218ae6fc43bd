// Reference convolutions. Each walks the elements of its own result and gathers what belongs there.
#include <algorithm>

#include "kernels/reference/activation.h"
#include "kernels/reference/before_activation.h"
#include "kernels/reference/real.h"
#include "kernels/reference/slots.h"

namespace tessera::kernels::reference {
namespace {

// Where elements lie in memory.
struct Index {
  const Conv2dShape& d;
  std::int64_t x(std::int64_t n, std::int64_t h, std::int64_t w) const { return ((n * d.h + h) * d.w + w) * d.c; }
  std::int64_t w(std::int64_t k, std::int64_t r, std::int64_t s) const { return ((k * d.r + r) * d.s + s) * inner(); }
  std::int64_t inner() const { return d.c / d.groups; }                                // channels a group
  std::int64_t first(std::int64_t k) const { return k / (d.k / d.groups) * inner(); }  // that filter k sees
  std::int64_t y(std::int64_t n, std::int64_t p, std::int64_t q) const { return ((n * d.p + p) * d.q + q) * d.k; }
};

bool inside(std::int64_t i, std::int64_t extent) { return i >= 0 && i < extent; }

}  // namespace

void conv2d_forward(Stream&, const Conv2dShape& d, ConstView x, ConstView w, const Conv2dEpilogue& epilogue, View y) {
  with_real("conv2d_forward", x.dtype, [&](auto zero) {
    using T = decltype(zero);
    const Index at{d};
    for (std::int64_t n = 0; n < d.n; ++n)
      for (std::int64_t p = 0; p < d.p; ++p)
        for (std::int64_t q = 0; q < d.q; ++q)
          for (std::int64_t k = 0; k < d.k; ++k) {
            double total = 0;
            for (std::int64_t r = 0; r < d.r; ++r)
              for (std::int64_t s = 0; s < d.s; ++s) {
                const std::int64_t row = p * d.stride + r - d.pad_top, column = q * d.stride + s - d.pad_left;
                if (!inside(row, d.h) || !inside(column, d.w)) continue;
                const T* pixel = x.as<T>() + at.x(n, row, column) + at.first(k);
                const T* filter = w.as<T>() + at.w(k, r, s);
                for (std::int64_t c = 0; c < at.inner(); ++c) total += static_cast<double>(pixel[c]) * filter[c];
              }
            const std::int64_t i = at.y(n, p, q) + k;
            if (epilogue.scale) total *= epilogue.scale.as<T>()[k];
            if (epilogue.shift) total += epilogue.shift.as<T>()[k];
            if (epilogue.residual) total += epilogue.residual.as<T>()[i];
            write(y.as<T>()[i], activate(epilogue.activation, total), false);
          }
  });
}

void conv2d_forward_statistics(Stream& stream, const Conv2dShape& d, ConstView x, ConstView w, ConstView bias, View y,
                               View statistics) {
  conv2d_forward(stream, d, x, w, {.shift = bias}, y);
  with_real("conv2d_forward_statistics", y.dtype, [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t rows = d.n * d.p * d.q;
    for (std::int64_t first = 0; first < rows; first += statistics_rows)
      for (std::int64_t k = 0; k < d.k; ++k) {
        const std::int64_t end = std::min(first + statistics_rows, rows);
        double total = 0, squares = 0;
        for (std::int64_t i = first; i < end; ++i) total += y.as<T>()[i * d.k + k];
        const double mean = total / static_cast<double>(end - first);
        for (std::int64_t i = first; i < end; ++i) squares += std::pow(y.as<T>()[i * d.k + k] - mean, 2);
        T* slice = statistics.as<T>() + first / statistics_rows * 2 * d.k;
        write(slice[k], mean, false);
        write(slice[d.k + k], squares, false);
      }
  });
}

// The output row p reads input row h through filter row r where p·stride + r − pad_top = h; columns alike.
void conv2d_backward_data(Stream&, const Conv2dShape& d, ConstView dy, ConstView w, Gradient dx) {
  with_real("conv2d_backward_data", dy.dtype, [&](auto zero) {
    using T = decltype(zero);
    const Index at{d};
    for (std::int64_t n = 0; n < d.n; ++n)
      for (std::int64_t h = 0; h < d.h; ++h)
        for (std::int64_t v = 0; v < d.w; ++v)
          for (std::int64_t c = 0; c < d.c; ++c) {
            double total = 0;
            for (std::int64_t r = 0; r < d.r; ++r)
              for (std::int64_t s = 0; s < d.s; ++s) {
                const std::int64_t down = h + d.pad_top - r, right = v + d.pad_left - s;
                if (down < 0 || right < 0 || down % d.stride != 0 || right % d.stride != 0) continue;
                const std::int64_t p = down / d.stride, q = right / d.stride;
                if (p >= d.p || q >= d.q) continue;
                const T* gradient = dy.as<T>() + at.y(n, p, q);
                for (std::int64_t k = 0; k < d.k; ++k)
                  if (inside(c - at.first(k), at.inner()))
                    total += static_cast<double>(gradient[k]) * w.as<T>()[at.w(k, r, s) + c - at.first(k)];
              }
            write(dx.view.as<T>()[at.x(n, h, v) + c], total, dx.accumulate);
          }
  });
}

void conv2d_backward_weights(Stream&, const Conv2dShape& d, ConstView x, ConstView dy, Gradient dw) {
  with_real("conv2d_backward_weights", x.dtype, [&](auto zero) {
    using T = decltype(zero);
    const Index at{d};
    for (std::int64_t k = 0; k < d.k; ++k)
      for (std::int64_t r = 0; r < d.r; ++r)
        for (std::int64_t s = 0; s < d.s; ++s)
          for (std::int64_t c = 0; c < at.inner(); ++c) {
            double total = 0;
            for (std::int64_t n = 0; n < d.n; ++n)
              for (std::int64_t p = 0; p < d.p; ++p)
                for (std::int64_t q = 0; q < d.q; ++q) {
                  const std::int64_t row = p * d.stride + r - d.pad_top, column = q * d.stride + s - d.pad_left;
                  if (!inside(row, d.h) || !inside(column, d.w)) continue;
                  total +=
                      static_cast<double>(dy.as<T>()[at.y(n, p, q) + k]) * x.as<T>()[at.x(n, row, column) + at.first(k) + c];
                }
            write(dw.view.as<T>()[at.w(k, r, s) + c], total, dw.accumulate);
          }
  });
}

void conv2d_backward(Stream& stream, const Conv2dShape& d, Activation f, ConstView x, ConstView w, ConstView y, ConstView dy,
                     Gradient dx, Gradient dw, Gradient db) {
  before_activation(stream, f, y, dy, [&](ConstView dz) {
    if (dx) conv2d_backward_data(stream, d, dz, w, dx);
    if (dw) conv2d_backward_weights(stream, d, x, dz, dw);
    if (db) column_sums(stream, dz, db);
  });
}

}  // namespace tessera::kernels::reference
