// Inner loops of batch normalisation: row by row, vectorised across channels; the per-channel operands stay in L1. Sums take
// four rows per update, so that each running sum is loaded and stored once in four (its latency would otherwise bound a
// period of 64). Backward works on segments with dz in a small buffer, which makes one pass serve every combination of
// wanted outputs without an instance for each.
#pragma once

#include "kernels/cpu/isa/simd.h"

namespace tessera::kernels::cpu::isa {
namespace {

constexpr Index segment = 256;  // elements of dz kept in L1

void shifted_sums(const float* x, Index count, Index period, const float* __restrict shift, float* __restrict sums,
                  float* __restrict squares) {
  Index i = 0;
  for (; i + 4 * period <= count; i += 4 * period) {
    const float *x0 = x + i, *x1 = x0 + period, *x2 = x1 + period, *x3 = x2 + period;
    for (Index j = 0; j < period; ++j) {
      const float k = shift[j];
      const float d0 = x0[j] - k, d1 = x1[j] - k, d2 = x2[j] - k, d3 = x3[j] - k;
      sums[j] += (d0 + d1) + (d2 + d3);
      squares[j] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
    }
  }
  for (; i < count; i += period) {
    const Index here = smaller(period, count - i);
    for (Index j = 0; j < here; ++j) {
      const float d = x[i + j] - shift[j];
      sums[j] += d;
      squares[j] += d * d;
    }
  }
}

template <bool has_residual, bool relu>
inline void normalise_rows(const float* __restrict x, const float* __restrict residual, Index count, Index period,
                           const float* __restrict mean, const float* __restrict factor, const float* __restrict offset,
                           float* __restrict y) {
  for (Index i = 0; i < count; i += period) {
    const Index here = smaller(period, count - i);
    TESSERA_INDEPENDENT
    for (Index j = 0; j < here; ++j) {
      float v = (x[i + j] - mean[j]) * factor[j] + offset[j];
      if (has_residual) v += residual[i + j];
      y[i + j] = relu && v < 0.0f ? 0.0f : v;
    }
  }
}

void normalise(const float* x, const float* residual, Index count, Index period, const float* mean, const float* factor,
               const float* offset, bool relu, float* y) {
  if (residual && relu) normalise_rows<true, true>(x, residual, count, period, mean, factor, offset, y);
  if (residual && !relu) normalise_rows<true, false>(x, residual, count, period, mean, factor, offset, y);
  if (!residual && relu) normalise_rows<false, true>(x, residual, count, period, mean, factor, offset, y);
  if (!residual && !relu) normalise_rows<false, false>(x, residual, count, period, mean, factor, offset, y);
}

template <bool relu>
inline void gradient_sum_rows(const float* x, const float* y, const float* dy, Index count, Index period,
                              const float* __restrict mean, float* __restrict sums, float* __restrict products) {
  const auto dz = [=](Index i) { return relu ? (y[i] > 0.0f ? dy[i] : 0.0f) : dy[i]; };
  Index i = 0;
  for (; i + 4 * period <= count; i += 4 * period) {
    for (Index j = 0; j < period; ++j) {
      const Index i0 = i + j, i1 = i0 + period, i2 = i1 + period, i3 = i2 + period;
      const float m = mean[j], z0 = dz(i0), z1 = dz(i1), z2 = dz(i2), z3 = dz(i3);
      sums[j] += (z0 + z1) + (z2 + z3);
      products[j] += (z0 * (x[i0] - m) + z1 * (x[i1] - m)) + (z2 * (x[i2] - m) + z3 * (x[i3] - m));
    }
  }
  for (; i < count; i += period) {
    const Index here = smaller(period, count - i);
    for (Index j = 0; j < here; ++j) {
      const float z = dz(i + j);
      sums[j] += z;
      products[j] += z * (x[i + j] - mean[j]);
    }
  }
}

void gradient_sums(const float* x, const float* y, const float* dy, Index count, Index period, const float* mean,
                   float* sums, float* products) {
  if (y)
    gradient_sum_rows<true>(x, y, dy, count, period, mean, sums, products);
  else
    gradient_sum_rows<false>(x, y, dy, count, period, mean, sums, products);
}

// (+)= for one segment
template <class Value>
inline void write(float* to, bool accumulate, Index count, const Value& value) {
  if (accumulate) {
    TESSERA_INDEPENDENT
    for (Index j = 0; j < count; ++j) to[j] += value(j);
  } else {
    TESSERA_INDEPENDENT
    for (Index j = 0; j < count; ++j) to[j] = value(j);
  }
}

void input_gradient(const float* x, const float* y, const float* dy, Index count, Index period, const float* mean,
                    const float* factor, const float* mean_dz, const float* slope, float* dx, bool accumulate_dx,
                    float* dresidual, bool accumulate_dresidual) {
  float dz[segment];
  for (Index row = 0; row < count; row += period) {
    const Index row_end = smaller(period, count - row);
    for (Index first = 0; first < row_end; first += segment) {
      const Index here = smaller(segment, row_end - first), i = row + first;
      if (y) {
        for (Index j = 0; j < here; ++j) dz[j] = y[i + j] > 0.0f ? dy[i + j] : 0.0f;
      } else {
        for (Index j = 0; j < here; ++j) dz[j] = dy[i + j];
      }
      if (dresidual) write(dresidual + i, accumulate_dresidual, here, [&](Index j) { return dz[j]; });
      if (!dx) continue;
      const float* a = factor + first;
      if (slope) {
        const float *xs = x + i, *m = mean + first, *k = mean_dz + first, *s = slope + first;
        write(dx + i, accumulate_dx, here, [=, &dz](Index j) { return a[j] * ((dz[j] - k[j]) - (xs[j] - m[j]) * s[j]); });
      } else {
        write(dx + i, accumulate_dx, here, [=, &dz](Index j) { return a[j] * dz[j]; });
      }
    }
  }
}

}  // namespace
}  // namespace tessera::kernels::cpu::isa
