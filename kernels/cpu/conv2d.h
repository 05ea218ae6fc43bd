// The algorithms behind the three convolution slots of the `cpu` backend, for images and filters of type E: float or bf16.
#pragma once

#include "kernels/backend.h"
#include "kernels/cpu/isa/kernels.h"

namespace tessera::kernels::cpu {

// Every shape.  conv2d_direct.cpp, conv2d_direct_weights.cpp
template <class E>
void direct_forward(Stream&, const Conv2dShape&, const E* x, const E* w, const isa::Epilogue<E>&, E* y);
template <class E>
void direct_backward_data(Stream&, const Conv2dShape&, const E* dy, const E* w, E* dx, bool accumulate);
template <class E>
void direct_backward_weights(Stream&, const Conv2dShape&, const E* x, const E* dy, float* dw, bool accumulate);

// Backward-data at stride 1 where c is too small to fill a vector.  conv2d_few_channels.cpp
bool few_channels_win(const Stream&, const Conv2dShape&);  // possible for this shape, and faster than direct_backward_data
void few_channels_backward_data(Stream&, const Conv2dShape&, const float* dy, const float* w, float* dx, bool accumulate);

// Stride 1, 3×3 filters, c and k multiples of 16, any padding up to 2.  conv2d_winograd.cpp, conv2d_winograd_weights.cpp
enum class Pass { forward, backward_data, backward_weights };
bool winograd_wins(const Conv2dShape&, Pass);  // possible for this shape, and faster than direct
template <class E>
void winograd_forward(Stream&, const Conv2dShape&, const E* x, const E* w, const isa::Epilogue<E>&, E* y);
template <class E>
void winograd_backward_data(Stream&, const Conv2dShape&, const E* dy, const E* w, E* dx, bool accumulate);
template <class E>
void winograd_backward_weights(Stream&, const Conv2dShape&, const E* x, const E* dy, float* dw, bool accumulate);

// Groups of any size, float or bf16.  conv2d_grouped.cpp
void grouped_forward(Stream&, const Conv2dShape&, ConstView x, ConstView w, const Conv2dEpilogue&, View y);
void grouped_backward_data(Stream&, const Conv2dShape&, ConstView dy, ConstView w, Gradient dx);
void grouped_backward_weights(Stream&, const Conv2dShape&, ConstView x, ConstView dy, Gradient dw);

}  // namespace tessera::kernels::cpu
