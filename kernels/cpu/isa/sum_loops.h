// Inner loops of the reductions. Floating-point sums may not be reordered by a compiler, so whole-array sums name their
// lanes: four vectors of running sums, joined in double at the end. Column sums vectorise across columns by themselves.
#pragma once

#include "kernels/cpu/isa/simd.h"

namespace tessera::kernels::cpu::isa {
namespace {

template <bool square>
inline double sum_of(const float* x, Index count) {
  Vec lanes0{}, lanes1{}, lanes2{}, lanes3{};  // four chains hide the latency of an addition
  Index i = 0;
  for (; i + 4 * vector_width <= count; i += 4 * vector_width) {
    const Vec a = load(x + i), b = load(x + i + vector_width);
    const Vec c = load(x + i + 2 * vector_width), d = load(x + i + 3 * vector_width);
    lanes0 += square ? a * a : a;
    lanes1 += square ? b * b : b;
    lanes2 += square ? c * c : c;
    lanes3 += square ? d * d : d;
  }
  double total = 0;
  for (int lane = 0; lane < vector_width; ++lane)
    total += (static_cast<double>(lanes0[lane]) + lanes1[lane]) + (static_cast<double>(lanes2[lane]) + lanes3[lane]);
  for (; i < count; ++i) total += square ? static_cast<double>(x[i]) * x[i] : static_cast<double>(x[i]);
  return total;
}

double sum(const float* x, Index count) { return sum_of<false>(x, count); }
double sum_of_squares(const float* x, Index count) { return sum_of<true>(x, count); }

bool all_finite(const float* x, Index count) {
  std::uint32_t bad = 0;
  for (Index i = 0; i < count; ++i) {  // NaN and ±∞ are the values whose exponent is all ones
    std::uint32_t bits;
    __builtin_memcpy(&bits, x + i, sizeof bits);
    bad |= (bits & 0x7f800000u) == 0x7f800000u ? 1u : 0u;
  }
  return bad == 0;
}

void column_sums(const float* x, Index count, Index period, float* __restrict sums) {
  Index i = 0;
  for (; i + 4 * period <= count; i += 4 * period) {
    const float *x0 = x + i, *x1 = x0 + period, *x2 = x1 + period, *x3 = x2 + period;
    for (Index j = 0; j < period; ++j) sums[j] += (x0[j] + x1[j]) + (x2[j] + x3[j]);
  }
  for (; i < count; i += period) {
    const Index here = smaller(period, count - i);
    for (Index j = 0; j < here; ++j) sums[j] += x[i + j];
  }
}

}  // namespace
}  // namespace tessera::kernels::cpu::isa
