// The transforms of Winograd's minimal filtering, F(m×m, 3×3) for m = 2 and 4:
//   y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A     per tile of m×m outputs and window d of (m+2)² inputs.
// The products ⊙, summed over channels, are (m+2)² independent matrix products: 36 instead of 144 multiplications per
// 4×4 tile, 16 instead of 36 per 2×2 tile. Source: Lavin and Gray, "Fast algorithms for convolutional neural networks",
// CVPR 2016; the matrices follow from the interpolation points (Toom–Cook).
//
// Points: m = 2: 0, ±1, ∞. m = 4: 0, ±3/4, ±3/2, ∞ rather than the usual 0, ±1, ±2, ∞: the powers that enter the matrices
// spread less (at most (3/2)³ instead of 2³), so that less is lost to cancellation; A and B are exact in float32.
//
// Each transform works on vectors of channels, which NHWC makes contiguous, and is a pass of rows and one of columns.
// Bound by loads and stores: 36 vectors in, 36 out for some 150 additions.
#pragma once

#include "kernels/cpu/isa/rows.h"

namespace tessera::kernels::cpu::isa {
namespace {

// One dimension of each transform: elements `from` apart in, `to` apart out.
struct F2 {
  static constexpr int m = 2, tile = 4;
  static TESSERA_INLINE void input(const Vec* d, int from, Vec* o, int to) {  // Bᵀ: 4 → 4
    const Vec d0 = d[0], d1 = d[from], d2 = d[2 * from], d3 = d[3 * from];
    o[0] = d0 - d2;
    o[to] = d1 + d2;
    o[2 * to] = d2 - d1;
    o[3 * to] = d1 - d3;
  }
  static TESSERA_INLINE void output(const Vec* p, int from, Vec* o, int to) {  // Aᵀ: 4 → 2
    const Vec p1 = p[from], p2 = p[2 * from];
    o[0] = p[0] + p1 + p2;
    o[to] = p1 - p2 - p[3 * from];
  }
  static TESSERA_INLINE void output_gradient(const Vec* y, int from, Vec* o, int to) {  // A: 2 → 4
    const Vec y0 = y[0], y1 = y[from];
    o[0] = y0;
    o[to] = y0 + y1;
    o[2 * to] = y0 - y1;
    o[3 * to] = -y1;
  }
  static TESSERA_INLINE void weights(const Vec* g, int from, Vec* o, int to) {  // G: 3 → 4
    const Vec g0 = g[0], g2 = g[2 * from], even = 0.5f * (g0 + g2), odd = 0.5f * g[from];
    o[0] = g0;
    o[to] = even + odd;
    o[2 * to] = even - odd;
    o[3 * to] = g2;
  }
  static TESSERA_INLINE void weights_gradient(const Vec* p, int from, Vec* o, int to) {  // Gᵀ: 4 → 3
    const Vec even = 0.5f * (p[from] + p[2 * from]), odd = 0.5f * (p[from] - p[2 * from]);
    o[0] = p[0] + even;
    o[to] = odd;
    o[2 * to] = even + p[3 * from];
  }
};

struct F4 {
  static constexpr int m = 4, tile = 6;
  static constexpr float a = 0.75f, b = 1.5f;  // the points ±a, ±b
  static constexpr float a2 = a * a, b2 = b * b, a3 = a2 * a, b3 = b2 * b;
  static constexpr double n0 = double(a2) * b2, na = 2.0 * a2 * (a2 - b2), nb = 2.0 * b2 * (b2 - a2);  // Π (p − p')

  static TESSERA_INLINE void input(const Vec* d, int from, Vec* o, int to) {  // Bᵀ: 6 → 6
    const Vec d0 = d[0], d1 = d[from], d2 = d[2 * from], d3 = d[3 * from], d4 = d[4 * from], d5 = d[5 * from];
    const Vec even_a = d4 - b2 * d2, odd_a = a * (d3 - b2 * d1), even_b = d4 - a2 * d2, odd_b = b * (d3 - a2 * d1);
    o[0] = (a2 * b2) * d0 - (a2 + b2) * d2 + d4;
    o[to] = even_a + odd_a;
    o[2 * to] = even_a - odd_a;
    o[3 * to] = even_b + odd_b;
    o[4 * to] = even_b - odd_b;
    o[5 * to] = (a2 * b2) * d1 - (a2 + b2) * d3 + d5;
  }
  static TESSERA_INLINE void output(const Vec* p, int from, Vec* o, int to) {  // Aᵀ: 6 → 4
    const Vec p1 = p[from], p2 = p[2 * from], p3 = p[3 * from], p4 = p[4 * from];
    const Vec even_a = p1 + p2, odd_a = p1 - p2, even_b = p3 + p4, odd_b = p3 - p4;
    o[0] = p[0] + even_a + even_b;
    o[to] = a * odd_a + b * odd_b;
    o[2 * to] = a2 * even_a + b2 * even_b;
    o[3 * to] = a3 * odd_a + b3 * odd_b + p[5 * from];
  }
  static TESSERA_INLINE void output_gradient(const Vec* y, int from, Vec* o, int to) {  // A: 4 → 6
    const Vec y0 = y[0], y1 = y[from], y2 = y[2 * from], y3 = y[3 * from];
    const Vec even_a = y0 + a2 * y2, odd_a = a * y1 + a3 * y3, even_b = y0 + b2 * y2, odd_b = b * y1 + b3 * y3;
    o[0] = y0;
    o[to] = even_a + odd_a;
    o[2 * to] = even_a - odd_a;
    o[3 * to] = even_b + odd_b;
    o[4 * to] = even_b - odd_b;
    o[5 * to] = y3;
  }
  static TESSERA_INLINE void weights(const Vec* g, int from, Vec* o, int to) {  // G: 3 → 6
    const Vec g0 = g[0], g1 = g[from], g2 = g[2 * from];
    const Vec even_a = float(1 / na) * g0 + float(a2 / na) * g2, odd_a = float(a / na) * g1;
    const Vec even_b = float(1 / nb) * g0 + float(b2 / nb) * g2, odd_b = float(b / nb) * g1;
    o[0] = float(1 / n0) * g0;
    o[to] = even_a + odd_a;
    o[2 * to] = even_a - odd_a;
    o[3 * to] = even_b + odd_b;
    o[4 * to] = even_b - odd_b;
    o[5 * to] = g2;
  }
  static TESSERA_INLINE void weights_gradient(const Vec* p, int from, Vec* o, int to) {  // Gᵀ: 6 → 3
    const Vec p1 = p[from], p2 = p[2 * from], p3 = p[3 * from], p4 = p[4 * from];
    const Vec even_a = p1 + p2, odd_a = p1 - p2, even_b = p3 + p4, odd_b = p3 - p4;
    o[0] = float(1 / n0) * p[0] + float(1 / na) * even_a + float(1 / nb) * even_b;
    o[to] = float(a / na) * odd_a + float(b / nb) * odd_b;
    o[2 * to] = float(a2 / na) * even_a + float(b2 / nb) * even_b + p[5 * from];
  }
};

// Where a tile lies: its image and the first output row and column.
struct Place {
  std::int64_t image, row, column;
};
template <class F>
TESSERA_INLINE Place place_of(const Tiles& tiles, std::int64_t t) {
  const std::int64_t per_image = tiles.tile_rows * tiles.tile_columns, in_image = t % per_image;
  return {t / per_image, in_image / tiles.tile_columns * F::m, in_image % tiles.tile_columns * F::m};
}

// Offsets in an image of the side² cells of a square whose corner is (row, column), −1 outside; true if all are inside.
template <int side>
TESSERA_INLINE bool locate(const Tiles& tiles, std::int64_t row, std::int64_t column, std::int64_t (&offset)[side * side]) {
  bool inside = true;
  for (int i = 0; i < side; ++i)
    for (int j = 0; j < side; ++j) {
      const std::int64_t y = row + i, x = column + j;
      const bool here = y >= 0 && y < tiles.height && x >= 0 && x < tiles.width;
      offset[i * side + j] = here ? (y * tiles.width + x) * tiles.channels : -1;
      inside = inside && here;
    }
  return inside;
}

template <int side, class E>
TESSERA_INLINE void load_square(const E* image, const std::int64_t (&offset)[side * side], bool inside, Vec* to) {
  if (inside) {
#pragma GCC unroll 36
    for (int i = 0; i < side * side; ++i) to[i] = load(image + offset[i]);
  } else {
    for (int i = 0; i < side * side; ++i) to[i] = offset[i] < 0 ? Vec{} : load(image + offset[i]);
  }
}

template <class F, class E>
void winograd_input(const Tiles& tiles, const E* x, float* v, std::int64_t v_step) {
  constexpr int T = F::tile;
  for (std::int64_t t = tiles.first; t < tiles.last; ++t, v += tiles.channels) {
    const Place place = place_of<F>(tiles, t);
    const E* image = x + place.image * tiles.height * tiles.width * tiles.channels;
    std::int64_t offset[T * T];
    const bool inside = locate<T>(tiles, place.row - tiles.pad_top, place.column - tiles.pad_left, offset);
    for (std::int64_t c = 0; c < tiles.channels; c += vector_width) {
      Vec d[T * T], half[T * T];
      load_square<T>(image + c, offset, inside, d);
#pragma GCC unroll 6
      for (int j = 0; j < T; ++j) F::input(d + j, T, half + j, T);
#pragma GCC unroll 6
      for (int i = 0; i < T; ++i) {
        Vec o[T];
        F::input(half + i * T, 1, o, 1);
#pragma GCC unroll 6
        for (int j = 0; j < T; ++j) store(v + (i * T + j) * v_step + c, o[j]);
      }
    }
  }
}

template <class F, class E>
void winograd_output_gradient(const Tiles& tiles, const E* dy, float* v, std::int64_t v_step) {
  constexpr int T = F::tile, M = F::m;
  for (std::int64_t t = tiles.first; t < tiles.last; ++t, v += tiles.channels) {
    const Place place = place_of<F>(tiles, t);
    const E* image = dy + place.image * tiles.height * tiles.width * tiles.channels;
    std::int64_t offset[M * M];
    const bool inside = locate<M>(tiles, place.row, place.column, offset);
    for (std::int64_t c = 0; c < tiles.channels; c += vector_width) {
      Vec y[M * M], half[T * M];
      load_square<M>(image + c, offset, inside, y);
#pragma GCC unroll 4
      for (int j = 0; j < M; ++j) F::output_gradient(y + j, M, half + j, M);
#pragma GCC unroll 6
      for (int i = 0; i < T; ++i) {
        Vec o[T];
        F::output_gradient(half + i * M, 1, o, 1);
#pragma GCC unroll 6
        for (int j = 0; j < T; ++j) store(v + (i * T + j) * v_step + c, o[j]);
      }
    }
  }
}

template <class F>
void winograd_weights(const float* g, std::int64_t length, float* u, std::int64_t u_step) {
  constexpr int T = F::tile;
  const std::int64_t total = length * 2 * vector_width;
  for (std::int64_t l = 0; l < total; l += vector_width) {
    Vec w[9], half[3 * T];
#pragma GCC unroll 9
    for (int i = 0; i < 9; ++i) w[i] = load(g + i * total + l);
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j) F::weights(w + j, 3, half + j, 3);
#pragma GCC unroll 6
    for (int i = 0; i < T; ++i) {
      Vec o[T];
      F::weights(half + i * 3, 1, o, 1);
#pragma GCC unroll 6
      for (int j = 0; j < T; ++j) store(u + (i * T + j) * u_step + l, o[j]);
    }
  }
}

template <class F, class E>
void winograd_output(const Tiles& tiles, const float* m, std::int64_t m_step, std::int64_t m_tile,
                     std::int64_t first_channel, std::int64_t count, const Epilogue<E>& epilogue, E* y) {
  constexpr int T = F::tile, M = F::m;
  const Epilogue<E> e = epilogue;  // a copy: no store below can change it
  for (std::int64_t t = tiles.first; t < tiles.last; ++t, m += m_tile) {
    const Place place = place_of<F>(tiles, t);
    const std::int64_t corner =
        ((place.image * tiles.height + place.row) * tiles.width + place.column) * tiles.channels + first_channel;
    const std::int64_t rows_here = tiles.height - place.row < M ? tiles.height - place.row : M;
    const std::int64_t columns_here = tiles.width - place.column < M ? tiles.width - place.column : M;
    for (std::int64_t c = 0; c < count; c += vector_width) {
      const Vec scale = e.scale ? load(e.scale + first_channel + c) : splat(1.0f);
      const Vec shift = e.shift ? load(e.shift + first_channel + c) : Vec{};
      Vec p[T * T], half[M * T];
#pragma GCC unroll 36
      for (int i = 0; i < T * T; ++i) p[i] = load(m + i * m_step + c);
#pragma GCC unroll 6
      for (int j = 0; j < T; ++j) F::output(p + j, T, half + j, T);
#pragma GCC unroll 4
      for (int i = 0; i < M; ++i) {
        Vec o[M];
        F::output(half + i * T, 1, o, 1);
        if (i >= rows_here) break;
#pragma GCC unroll 4
        for (int j = 0; j < M; ++j) {
          if (j >= columns_here) break;
          const std::int64_t at = corner + (i * tiles.width + j) * tiles.channels + c;
          Vec value = o[j];
          if (e.accumulate) value += load(y + at);
          value = value * scale + shift;
          if (e.residual) value += load(e.residual + at);
          store(y + at, activate(value, e.activation));
        }
      }
    }
  }
}

template <class F>
void winograd_weights_gradient(const float* du, std::int64_t du_step, std::int64_t du_row, std::int64_t rows_here,
                               std::int64_t count, std::int64_t channels, bool accumulate, float* dw) {
  constexpr int T = F::tile;
  for (std::int64_t k = 0; k < rows_here; ++k, du += du_row, dw += 9 * channels)
    for (std::int64_t c = 0; c < count; c += vector_width) {
      Vec p[T * T], half[3 * T];
#pragma GCC unroll 36
      for (int i = 0; i < T * T; ++i) p[i] = load(du + i * du_step + c);
#pragma GCC unroll 6
      for (int j = 0; j < T; ++j) F::weights_gradient(p + j, T, half + j, T);
#pragma GCC unroll 3
      for (int i = 0; i < 3; ++i) {
        Vec o[3];
        F::weights_gradient(half + i * T, 1, o, 1);
#pragma GCC unroll 3
        for (int j = 0; j < 3; ++j) {
          float* to = dw + (i * 3 + j) * channels + c;
          store(to, accumulate ? load(to) + o[j] : o[j]);
        }
      }
    }
}

template <class F, class E>
constexpr Winograd<E> winograd_of{.m = F::m,
                                  .tile = F::tile,
                                  .points = F::tile* F::tile,
                                  .input = winograd_input<F, E>,
                                  .weights = winograd_weights<F>,
                                  .output = winograd_output<F, E>,
                                  .output_gradient = winograd_output_gradient<F, E>,
                                  .weights_gradient = winograd_weights_gradient<F>};

}  // namespace
}  // namespace tessera::kernels::cpu::isa
