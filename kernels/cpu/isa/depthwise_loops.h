// Inner loops of depthwise convolution: each channel has a filter of its own, so vectors run over channels and no sum
// crosses lanes. 2 FLOPs and one load of x per cell of a window, the filters from L1: bound by loads.
#pragma once

#include "kernels/cpu/isa/simd.h"

namespace tessera::kernels::cpu::isa {
namespace {

// fn(first channel, count): whole vectors, then what is left.
template <class Function>
TESSERA_INLINE void for_channels(Index channels, const Function& function) {
  for (Index c = 0; c < channels; c += vector_width) function(c, smaller(vector_width, channels - c));
}
TESSERA_INLINE Vec load_channels(const float* p, Index count) {
  return count == vector_width ? load(p) : load_partial(p, count);
}
TESSERA_INLINE void store_channels(float* p, Vec v, Index count) {
  if (count == vector_width)
    store(p, v);
  else
    store_partial(p, v, count);
}

void depthwise(const WindowRow& row, const float* x, const float* w, float* y) {
  for (Index q = 0; q < row.windows; ++q, x += row.window_step, y += row.channels)
    for_channels(row.channels, [&](Index c, Index count) {
      Vec sum = load_channels(y + c, count);
      for (int r = 0; r < row.rows; ++r)
        for (int s = 0; s < row.columns; ++s)
          sum += load_channels(x + r * row.row_step + s * row.channels + c, count) *
                 load_channels(w + (row.first_number + r * row.number_step + s) * row.channels + c, count);
      store_channels(y + c, sum, count);
    });
}

void depthwise_data(const WindowRow& row, const float* dy, const float* w, float* dx) {
  for (Index q = 0; q < row.windows; ++q, dx += row.window_step, dy += row.channels)
    for_channels(row.channels, [&](Index c, Index count) {
      const Vec gradient = load_channels(dy + c, count);
      for (int r = 0; r < row.rows; ++r)
        for (int s = 0; s < row.columns; ++s) {
          float* const to = dx + r * row.row_step + s * row.channels + c;
          const Vec filter = load_channels(w + (row.first_number + r * row.number_step + s) * row.channels + c, count);
          store_channels(to, load_channels(to, count) + gradient * filter, count);
        }
    });
}

void depthwise_weights(const WindowRow& row, const float* x, const float* dy, float* dw) {
  for (int r = 0; r < row.rows; ++r)
    for (int s = 0; s < row.columns; ++s)
      for_channels(row.channels, [&](Index c, Index count) {
        const float* from = x + r * row.row_step + s * row.channels + c;
        float* const to = dw + (row.first_number + r * row.number_step + s) * row.channels + c;
        Vec sum = load_channels(to, count);
        for (Index q = 0; q < row.windows; ++q)
          sum += load_channels(from + q * row.window_step, count) * load_channels(dy + q * row.channels + c, count);
        store_channels(to, sum, count);
      });
}

}  // namespace
}  // namespace tessera::kernels::cpu::isa
