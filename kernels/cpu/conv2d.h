// The algorithms behind the three convolution slots of the `cpu` backend.
#pragma once

#include "kernels/backend.h"

namespace tessera::kernels::cpu {

// Every shape.  conv2d_direct.cpp, conv2d_direct_weights.cpp
void direct_forward(Stream&, const Conv2dShape&, const float* x, const float* w, const float* bias, Activation, float* y);
void direct_backward_data(Stream&, const Conv2dShape&, const float* dy, const float* w, float* dx, bool accumulate);
void direct_backward_weights(Stream&, const Conv2dShape&, const float* x, const float* dy, float* dw, bool accumulate);

// Stride 1, 3×3 filters, c and k multiples of 16, any padding up to 2.  conv2d_winograd.cpp, conv2d_winograd_weights.cpp
enum class Pass { forward, backward_data, backward_weights };
bool winograd_wins(const Conv2dShape&, Pass);  // possible for this shape, and faster than direct
void winograd_forward(Stream&, const Conv2dShape&, const float* x, const float* w, const float* bias, Activation, float* y);
void winograd_backward_data(Stream&, const Conv2dShape&, const float* dy, const float* w, float* dx, bool accumulate);
void winograd_backward_weights(Stream&, const Conv2dShape&, const float* x, const float* dy, float* dw, bool accumulate);

}  // namespace tessera::kernels::cpu
