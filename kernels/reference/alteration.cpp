// Reference changes of a batch's images.
#include "kernels/alteration.h"

#include <algorithm>
#include <vector>

#include "kernels/reference/real.h"
#include "kernels/reference/slots.h"

namespace tessera::kernels::reference {
namespace {

double grey(const double* v, std::int64_t channels) {
  return channels < 3 ? v[0] : 0.299 * v[0] + 0.587 * v[1] + 0.114 * v[2];
}

// One image as v = 0 … 1, cells by channels (at most three of them).
void colour(std::vector<double>& v, std::int64_t channels, const Jitter& jitter) {
  const auto held = [](double x) { return std::clamp(x, 0.0, 1.0); };
  const std::int64_t cells = static_cast<std::int64_t>(v.size()) / channels;
  double mean = 0;
  for (double& x : v) x = held(static_cast<double>(jitter.brightness) * x);
  for (std::int64_t i = 0; i < cells; ++i)
    mean += grey(&v[static_cast<std::size_t>(i * channels)], channels) / static_cast<double>(cells);
  for (double& x : v) x = held(static_cast<double>(jitter.contrast) * x + (1 - static_cast<double>(jitter.contrast)) * mean);
  for (std::int64_t i = 0; i < cells; ++i) {
    double* cell = &v[static_cast<std::size_t>(i * channels)];
    const double g = grey(cell, channels);
    for (std::int64_t c = 0; c < channels; ++c)
      cell[c] = held(static_cast<double>(jitter.saturation) * cell[c] + (1 - static_cast<double>(jitter.saturation)) * g);
  }
}

}  // namespace

void alter_images(Stream&, const AlterParams& p, const StepState* state, std::int64_t first, View x) {
  with_real("alter_images", x.dtype, [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t height = x.dims[1], width = x.dims[2], channels = x.dims[3], cells = height * width;
    const std::int64_t coloured = std::min<std::int64_t>(channels, 3);
    for (std::int64_t i = 0; i < x.dims[0]; ++i) {
      T* image = x.as<T>() + i * cells * channels;
      const std::int64_t place = state->position + first + i;
      if (p.jitter > 0) {
        std::vector<double> v;
        for (std::int64_t cell = 0; cell < cells; ++cell)
          for (std::int64_t c = 0; c < coloured; ++c)
            v.push_back(static_cast<double>(image[cell * channels + c]) * static_cast<double>(p.std[c]) +
                        static_cast<double>(p.mean[c]));
        colour(v, coloured, jitter_of(p, state->epoch, place));
        for (std::int64_t cell = 0; cell < cells; ++cell)
          for (std::int64_t c = 0; c < coloured; ++c)
            write(image[cell * channels + c],
                  (v[static_cast<std::size_t>(cell * coloured + c)] - static_cast<double>(p.mean[c])) /
                      static_cast<double>(p.std[c]),
                  false);
      }
      if (p.cutout > 0) {
        const Box box =
            cutout_of(p, state->epoch, place, static_cast<std::int32_t>(height), static_cast<std::int32_t>(width));
        for (std::int64_t cell = 0; cell < cells; ++cell)
          if (box.holds(cell / width, cell % width)) std::fill_n(image + cell * channels, channels, T{});
      }
    }
  });
}

void mix_images(Stream&, const MixParams& p, const StepState* state, std::int64_t first, ConstView x, ConstView y,
                View mixed, View other, View share) {
  with_real("mix_images", x.dtype, [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t n = x.dims[0], height = x.dims[1], width = x.dims[2], channels = x.dims[3];
    const std::int64_t size = height * width * channels;
    for (std::int64_t i = 0; i < n; ++i) {
      const Mixture m = mixture_of(p, state->epoch, state->position + first + i, static_cast<std::int32_t>(height),
                                   static_cast<std::int32_t>(width));
      const std::int64_t j = n - 1 - i;
      const double s = static_cast<double>(m.share);
      for (std::int64_t e = 0; e < size; ++e) {
        const double own = x.as<T>()[i * size + e], its = x.as<T>()[j * size + e];
        const std::int64_t cell = e / channels;
        const bool inside = m.box.holds(cell / width, cell % width);
        write(mixed.as<T>()[i * size + e], m.cut ? (inside ? its : own) : s * own + (1 - s) * its, false);
      }
      write(share.as<T>()[i], s, false);
      other.as<std::int32_t>()[i] = y.as<std::int32_t>()[j];
    }
  });
}

}  // namespace tessera::kernels::reference
