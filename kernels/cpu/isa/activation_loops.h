// The activation functions over flat arrays.
#pragma once

#include "kernels/cpu/isa/activation.h"

namespace tessera::kernels::cpu::isa {
namespace {

void activation_forward(Activation f, const float* x, float* y, Index count) {
  with_activation(f, [=](auto function) {
    Index i = 0;
    for (; i + vector_width <= count; i += vector_width) store(y + i, function.forward(load(x + i)));
    if (i < count) store_partial(y + i, function.forward(load_partial(x + i, count - i)), count - i);
  });
}

void activation_backward(Activation f, const float* v, const float* dy, float* dx, bool accumulate, Index count) {
  with_activation(f, [=](auto function) {
    Index i = 0;
    for (; i + vector_width <= count; i += vector_width) {
      const Vec gradient = function.backward(load(v + i), load(dy + i));
      store(dx + i, accumulate ? load(dx + i) + gradient : gradient);
    }
    if (i == count) return;
    const Index left = count - i;
    const Vec gradient = function.backward(load_partial(v + i, left), load_partial(dy + i, left));
    store_partial(dx + i, accumulate ? load_partial(dx + i, left) + gradient : gradient, left);
  });
}

}  // namespace
}  // namespace tessera::kernels::cpu::isa
