// Inner loops of max pooling, vectorised across channels; where windows of two columns tile a row of few channels (LeNet's 6
// and 16), across the whole row.
//
// A cell replaces the best so far when it is not ≤ it and the best is not NaN: the first maximum wins, and the first NaN.
#pragma once

#include "kernels/cpu/isa/simd.h"

namespace tessera::kernels::cpu::isa {
namespace {

constexpr Index channel_block = 64;

inline bool replaces(float candidate, float best) { return !(candidate <= best) & (best == best); }

// Any window: the best value and its number per channel, in buffers over which the cells pass one after the other.
void max_pool_general(const MaxPoolRow& row, const float* x, float* y, std::uint8_t* index) {
  float best[channel_block];
  std::int32_t number[channel_block];
  for (Index q = 0; q < row.windows; ++q) {
    for (Index first = 0; first < row.channels; first += channel_block) {
      const Index here = smaller(channel_block, row.channels - first);
      const float* window = x + q * row.window_step + first;
      for (Index c = 0; c < here; ++c) {
        best[c] = window[c];
        number[c] = row.first_number;
      }
      for (int r = 0; r < row.rows; ++r) {
        for (int s = r == 0 ? 1 : 0; s < row.columns; ++s) {
          const float* cell = window + r * row.row_step + s * row.channels;
          const std::int32_t cell_number = row.first_number + r * row.number_step + s;
          for (Index c = 0; c < here; ++c) {
            const bool take = replaces(cell[c], best[c]);
            best[c] = take ? cell[c] : best[c];
            number[c] = take ? cell_number : number[c];
          }
        }
      }
      const Index at = q * row.channels + first;
      for (Index c = 0; c < here; ++c) y[at + c] = best[c];
      if (index)
        for (Index c = 0; c < here; ++c) index[at + c] = static_cast<std::uint8_t>(number[c]);
    }
  }
}

// 2 × 2 cells: four loads, three comparisons, no buffer.
void max_pool_2x2(const MaxPoolRow& row, const float* x, float* __restrict y, std::uint8_t* __restrict index) {
  const Index channels = row.channels;
  const std::int32_t n0 = row.first_number, n1 = n0 + 1, n2 = n0 + row.number_step, n3 = n2 + 1;
  for (Index q = 0; q < row.windows; ++q) {
    const float *x0 = x + q * row.window_step, *x1 = x0 + channels, *x2 = x0 + row.row_step, *x3 = x2 + channels;
    float* out = y + q * channels;
    std::uint8_t* number_out = index ? index + q * channels : nullptr;
    const auto channel = [&](Index c, std::int32_t& number) {
      float best = x0[c];
      number = n0;
      const bool take1 = replaces(x1[c], best);
      best = take1 ? x1[c] : best;
      number = take1 ? n1 : number;
      const bool take2 = replaces(x2[c], best);
      best = take2 ? x2[c] : best;
      number = take2 ? n2 : number;
      const bool take3 = replaces(x3[c], best);
      number = take3 ? n3 : number;
      return take3 ? x3[c] : best;
    };
    std::int32_t number;
    if (number_out) {
      TESSERA_INDEPENDENT
      for (Index c = 0; c < channels; ++c) {
        std::int32_t winner;
        out[c] = channel(c, winner);
        number_out[c] = static_cast<std::uint8_t>(winner);
      }
    } else {
      TESSERA_INDEPENDENT
      for (Index c = 0; c < channels; ++c) out[c] = channel(c, number);
    }
  }
}

void max_pool(const MaxPoolRow& row, const float* x, float* y, std::uint8_t* index) {
  if (row.rows == 2 && row.columns == 2)
    max_pool_2x2(row, x, y, index);
  else
    max_pool_general(row, x, y, index);
}

void max_pool_gradient(const MaxPoolRow& row, const float* dy, const std::uint8_t* index, float* __restrict dx,
                       bool assign) {
  for (Index q = 0; q < row.windows; ++q) {
    const float* from = dy + q * row.channels;
    const std::uint8_t* winner = index + q * row.channels;
    for (int r = 0; r < row.rows; ++r) {
      for (int s = 0; s < row.columns; ++s) {
        const int number = row.first_number + r * row.number_step + s;
        float* to = dx + q * row.window_step + r * row.row_step + s * row.channels;
        if (assign) {
          for (Index c = 0; c < row.channels; ++c) to[c] = winner[c] == number ? from[c] : 0.0f;
        } else {
          for (Index c = 0; c < row.channels; ++c) to[c] += winner[c] == number ? from[c] : 0.0f;
        }
      }
    }
  }
}

}  // namespace
}  // namespace tessera::kernels::cpu::isa
