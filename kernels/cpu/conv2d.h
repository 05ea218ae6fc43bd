// The algorithms behind the three convolution slots of the `cpu` backend, for images and filters of type E: float or bf16.
#pragma once

#include "kernels/backend.h"
#include "kernels/cpu/isa/kernels.h"
#include "kernels/prepared.h"

namespace tessera::kernels::cpu {

// The filter taps that meet a cell of the input in some output; the others lie in the padding for all of them, as eight of
// nine do on a map of one pixel. Direct convolution goes over these alone.
struct Reach {
  std::int64_t row, rows, column, columns;  // taps [row, row + rows) × [column, column + columns)
  bool whole;                               // all of them
};
Reach reach_of(const Conv2dShape&);

template <class E>
isa::Epilogue<E> typed(const Conv2dEpilogue& e) {
  return {.scale = e.scale.as<float>(),
          .shift = e.shift.as<float>(),
          .residual = e.residual.as<E>(),
          .activation = e.activation};
}

// Every shape.  conv2d_direct.cpp, conv2d_direct_weights.cpp
template <class E>
void direct_forward(Stream&, const Conv2dShape&, const E* x, const E* w, const isa::Epilogue<E>&, E* y);
template <class E>
void direct_backward_data(Stream&, const Conv2dShape&, const E* dy, const E* w, E* dx, bool accumulate);
template <class E>
void direct_backward_weights(Stream&, const Conv2dShape&, const E* x, const E* dy, float* dw, bool accumulate);

// The same with filters that are packed once, panels: direct_panel_floats of them.
std::int64_t direct_panel_floats(const Stream&, const Conv2dShape&);
template <class E>
void direct_pack(const Stream&, const Conv2dShape&, const E* w, float* panels);
template <class E>
void direct_forward_packed(Stream&, const Conv2dShape&, const E* x, const float* panels, const isa::Epilogue<E>&, E* y);

// Backward-data at stride 1 where c is too small to fill a vector.  conv2d_few_channels.cpp
bool few_channels_win(const Stream&, const Conv2dShape&);  // possible for this shape, and faster than direct_backward_data
void few_channels_backward_data(Stream&, const Conv2dShape&, const float* dy, const float* w, float* dx, bool accumulate);

// Stride 1, 3×3 filters, c and k multiples of 16, any padding up to 2.  conv2d_winograd.cpp, conv2d_winograd_weights.cpp
enum class Pass { forward, backward_data, backward_weights };
bool winograd_possible(const Conv2dShape&);
bool winograd_wins(const Conv2dShape&, Pass);  // possible for this shape, and faster than direct
template <class E>
void winograd_forward(Stream&, const Conv2dShape&, const E* x, const E* w, const isa::Epilogue<E>&, E* y);
template <class E>
void winograd_backward_data(Stream&, const Conv2dShape&, const E* dy, const E* w, E* dx, bool accumulate);
template <class E>
void winograd_backward_weights(Stream&, const Conv2dShape&, const E* x, const E* dy, float* dw, bool accumulate);
// The same, forward by F(m×m), with filters that are transformed once, u: winograd_kept_floats of them.
template <class E>
std::int64_t winograd_kept_floats(const Stream&, const Conv2dShape&, int m);
template <class E>
void winograd_keep(Stream&, const Conv2dShape&, int m, const E* w, float* u);
template <class E>
void winograd_forward_kept(Stream&, const Conv2dShape&, int m, const E* x, const float* u, const isa::Epilogue<E>&, E* y);

// In eight bits (kernels/prepared.h), every shape without groups, with filters that are packed once: int8_kept_bytes of
// them. scale: of each channel's whole sum, the input's and the weights' scales in it.  conv2d_int8.cpp
std::int64_t int8_kept_bytes(const Stream&, const Conv2dShape&);
void int8_keep(const Stream&, const Int8Product&, const Conv2dShape&, const float* w, std::byte* to);
void int8_forward_kept(Stream&, const Int8Product&, const Conv2dShape&, const float* x, const std::byte* kept,
                       const isa::Epilogue<float>&, float* y);

// Groups of any size, float or bf16.  conv2d_grouped.cpp
void grouped_forward(Stream&, const Conv2dShape&, ConstView x, ConstView w, const Conv2dEpilogue&, View y);
void grouped_backward_data(Stream&, const Conv2dShape&, ConstView dy, ConstView w, Gradient dx);
void grouped_backward_weights(Stream&, const Conv2dShape&, ConstView x, ConstView dy, Gradient dw);

}  // namespace tessera::kernels::cpu
