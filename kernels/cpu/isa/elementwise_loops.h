// Inner loops of conversions, add and scale: one read and one write per operand, so memory bounds them.
#pragma once

#include "kernels/cpu/isa/simd.h"

namespace tessera::kernels::cpu::isa {
namespace {

void widen(const bf16* x, Index count, float* y) {
  Index i = 0;
  for (; i + vector_width <= count; i += vector_width) store(y + i, load(x + i));
  if (i < count) store_partial(y + i, load_partial(x + i, count - i), count - i);
}

void narrow(const float* x, Index count, bf16* y) {
  Index i = 0;
  for (; i + vector_width <= count; i += vector_width) store(y + i, load(x + i));
  if (i < count) store_partial(y + i, load_partial(x + i, count - i), count - i);
}

void add(const float* a, const float* b, float* y, Index count) {
  TESSERA_INDEPENDENT
  for (Index i = 0; i < count; ++i) y[i] = a[i] + b[i];
}

void scale(float factor, const float* x, float* y, bool accumulate, Index count) {
  if (accumulate) {
    TESSERA_INDEPENDENT
    for (Index i = 0; i < count; ++i) y[i] += factor * x[i];
  } else {
    TESSERA_INDEPENDENT
    for (Index i = 0; i < count; ++i) y[i] = factor * x[i];
  }
}

}  // namespace
}  // namespace tessera::kernels::cpu::isa
