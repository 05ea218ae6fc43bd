// Inner loops of conversions, add, scale and the activations: one read and one write per operand, so memory bounds all of
// them but sigmoid (about 20 operations an element, two of them a division's worth).
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

void relu_forward(const float* x, float* y, Index count) {
  TESSERA_INDEPENDENT
  for (Index i = 0; i < count; ++i) y[i] = x[i] < 0.0f ? 0.0f : x[i];  // NaN < 0 is false: NaN stays
}

void relu_backward(const float* y, const float* dy, float* dx, bool accumulate, Index count) {
  if (accumulate) {
    TESSERA_INDEPENDENT
    for (Index i = 0; i < count; ++i) dx[i] += y[i] > 0.0f ? dy[i] : 0.0f;
  } else {
    TESSERA_INDEPENDENT
    for (Index i = 0; i < count; ++i) dx[i] = y[i] > 0.0f ? dy[i] : 0.0f;
  }
}

void sigmoid_forward(const float* x, float* y, Index count) {
  Index i = 0;
  for (; i + vector_width <= count; i += vector_width) store(y + i, sigmoid(load(x + i)));
  if (i < count) store_partial(y + i, sigmoid(load_partial(x + i, count - i)), count - i);
}

void sigmoid_backward(const float* y, const float* dy, float* dx, bool accumulate, Index count) {
  if (accumulate) {
    TESSERA_INDEPENDENT
    for (Index i = 0; i < count; ++i) dx[i] += dy[i] * y[i] * (1.0f - y[i]);
  } else {
    TESSERA_INDEPENDENT
    for (Index i = 0; i < count; ++i) dx[i] = dy[i] * y[i] * (1.0f - y[i]);
  }
}

}  // namespace
}  // namespace tessera::kernels::cpu::isa
