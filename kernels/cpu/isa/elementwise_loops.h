// Inner loops of conversions, arithmetic and scale: one read and one write per operand, so memory bounds them.
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

template <class Function>
TESSERA_INLINE void combine(const float* a, const float* b, float* y, bool accumulate, Index count, Function function) {
  if (accumulate) {
    TESSERA_INDEPENDENT
    for (Index i = 0; i < count; ++i) y[i] += function(a[i], b[i]);
  } else {
    TESSERA_INDEPENDENT
    for (Index i = 0; i < count; ++i) y[i] = function(a[i], b[i]);
  }
}

void arithmetic(Arithmetic operation, const float* a, const float* b, float* y, bool accumulate, Index count) {
  switch (operation) {
    case Arithmetic::add: return combine(a, b, y, accumulate, count, [](float l, float r) { return l + r; });
    case Arithmetic::subtract: return combine(a, b, y, accumulate, count, [](float l, float r) { return l - r; });
    case Arithmetic::multiply: return combine(a, b, y, accumulate, count, [](float l, float r) { return l * r; });
    case Arithmetic::divide: return combine(a, b, y, accumulate, count, [](float l, float r) { return l / r; });
  }
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
