// Reference pooling.
#include <vector>

#include "kernels/reference/real.h"
#include "kernels/reference/slots.h"

namespace tessera::kernels::reference {
namespace {

std::int64_t input_at(const Pool2dShape& d, std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c) {
  return ((n * d.h + h) * d.w + w) * d.c + c;
}

// Calls visit(output element, n, p, q, c) for every element of the output.
template <class Visit>
void for_each_output(const Pool2dShape& d, Visit&& visit) {
  std::int64_t i = 0;
  for (std::int64_t n = 0; n < d.n; ++n)
    for (std::int64_t p = 0; p < d.p; ++p)
      for (std::int64_t q = 0; q < d.q; ++q)
        for (std::int64_t c = 0; c < d.c; ++c) visit(i++, n, p, q, c);
}

}  // namespace

void max_pool_forward(Stream&, const Pool2dShape& d, ConstView x, View y, View index) {
  with_real("max_pool_forward", x.dtype, [&](auto zero) {
    using T = decltype(zero);
    for_each_output(d, [&](std::int64_t i, std::int64_t n, std::int64_t p, std::int64_t q, std::int64_t c) {
      std::int64_t winner = -1;
      T largest{};
      for (std::int64_t r = 0; r < d.r; ++r)
        for (std::int64_t s = 0; s < d.s; ++s) {
          const std::int64_t h = p * d.stride + r - d.pad_top, w = q * d.stride + s - d.pad_left;
          if (h < 0 || h >= d.h || w < 0 || w >= d.w) continue;
          const T value = x.as<T>()[input_at(d, n, h, w, c)];
          if (winner >= 0 && !(value > largest) && !(std::isnan(value) && !std::isnan(largest))) continue;
          winner = r * d.s + s;
          largest = value;
        }
      y.as<T>()[i] = largest;
      if (index) index.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(winner);
    });
  });
}

void max_pool_backward(Stream&, const Pool2dShape& d, ConstView dy, ConstView index, Gradient dx) {
  with_real("max_pool_backward", dy.dtype, [&](auto zero) {
    using T = decltype(zero);
    T* to = dx.view.as<T>();
    if (!dx.accumulate)
      for (std::int64_t i = 0; i < dx.view.count(); ++i) to[i] = 0;
    for_each_output(d, [&](std::int64_t i, std::int64_t n, std::int64_t p, std::int64_t q, std::int64_t c) {
      const std::int64_t r = index.as<std::uint8_t>()[i] / d.s, s = index.as<std::uint8_t>()[i] % d.s;
      const std::int64_t h = p * d.stride + r - d.pad_top, w = q * d.stride + s - d.pad_left;
      to[input_at(d, n, h, w, c)] += dy.as<T>()[i];
    });
  });
}

namespace {

// Calls visit(input element) for the cells of a window inside the input; the number that its sum is divided by.
template <class Visit>
double for_each_cell(const Pool2dShape& d, bool count_padding, std::int64_t n, std::int64_t p, std::int64_t q,
                     std::int64_t c, Visit&& visit) {
  std::int64_t cells = 0;
  for (std::int64_t r = 0; r < d.r; ++r)
    for (std::int64_t s = 0; s < d.s; ++s) {
      const std::int64_t h = p * d.stride + r - d.pad_top, w = q * d.stride + s - d.pad_left;
      if (h < 0 || h >= d.h || w < 0 || w >= d.w) continue;
      visit(input_at(d, n, h, w, c));
      ++cells;
    }
  return static_cast<double>(count_padding ? d.r * d.s : cells);
}

}  // namespace

void average_pool_forward(Stream&, const Pool2dShape& d, bool count_padding, ConstView x, View y) {
  with_real("average_pool_forward", x.dtype, [&](auto zero) {
    using T = decltype(zero);
    for_each_output(d, [&](std::int64_t i, std::int64_t n, std::int64_t p, std::int64_t q, std::int64_t c) {
      double total = 0;
      const double number = for_each_cell(d, count_padding, n, p, q, c, [&](std::int64_t at) { total += x.as<T>()[at]; });
      write(y.as<T>()[i], total / number, false);
    });
  });
}

void average_pool_backward(Stream&, const Pool2dShape& d, bool count_padding, ConstView dy, Gradient dx) {
  with_real("average_pool_backward", dy.dtype, [&](auto zero) {
    using T = decltype(zero);
    std::vector<double> total(static_cast<std::size_t>(dx.view.count()));
    for_each_output(d, [&](std::int64_t i, std::int64_t n, std::int64_t p, std::int64_t q, std::int64_t c) {
      const double number = for_each_cell(d, count_padding, n, p, q, c, [](std::int64_t) {});
      for_each_cell(d, count_padding, n, p, q, c,
                    [&](std::int64_t at) { total[static_cast<std::size_t>(at)] += dy.as<T>()[i] / number; });
    });
    for (std::size_t i = 0; i < total.size(); ++i) write(dx.view.as<T>()[i], total[i], dx.accumulate);
  });
}

void global_average_pool_forward(Stream&, ConstView x, View y) {
  with_real("global_average_pool_forward", x.dtype, [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t cells = x.dims[1] * x.dims[2], channels = x.dims[3];
    for (std::int64_t n = 0; n < x.dims[0]; ++n)
      for (std::int64_t c = 0; c < channels; ++c) {
        double total = 0;
        for (std::int64_t i = 0; i < cells; ++i) total += x.as<T>()[(n * cells + i) * channels + c];
        write(y.as<T>()[n * channels + c], total / static_cast<double>(cells), false);
      }
  });
}

void global_average_pool_backward(Stream&, ConstView dy, Gradient dx) {
  with_real("global_average_pool_backward", dy.dtype, [&](auto zero) {
    using T = decltype(zero);
    const Dims& d = dx.view.dims;
    const std::int64_t cells = d[1] * d[2], channels = d[3];
    for (std::int64_t n = 0; n < d[0]; ++n)
      for (std::int64_t i = 0; i < cells; ++i)
        for (std::int64_t c = 0; c < channels; ++c)
          write(dx.view.as<T>()[(n * cells + i) * channels + c], dy.as<T>()[n * channels + c] / static_cast<double>(cells),
                dx.accumulate);
  });
}

}  // namespace tessera::kernels::reference
