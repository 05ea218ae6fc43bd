// What the Winograd passes share: the choice of tile size.
#pragma once

#include "kernels/cpu/conv2d.h"
#include "kernels/cpu/isa/kernels.h"

namespace tessera::kernels::cpu {

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Work of an algorithm in multiply-adds per pair of input and output channel. `rows` × `columns` is the map that the tiles
// cover: y forward and for the weights, dx for backward-data.
//   direct:    9 per output
//   Winograd:  (m+2)² per tile, the transforms of a tile's channels (about 10 operations for each of its values, shared by
//              the other side's channels), and that of the weights (about 6)
struct WinogradCost {
  double direct, m2, m4;
};
WinogradCost winograd_cost(std::int64_t images, std::int64_t rows, std::int64_t columns, std::int64_t c, std::int64_t k);

// The cheaper of F(2×2,3×3) and F(4×4,3×3).
template <class E>
const isa::Winograd<E>& winograd_for(const isa::Kernels& set, std::int64_t images, std::int64_t rows, std::int64_t columns,
                                     std::int64_t c, std::int64_t k) {
  const WinogradCost cost = winograd_cost(images, rows, columns, c, k);
  const isa::Typed<E>& kernels = set.of<E>();
  return cost.m2 <= cost.m4 ? kernels.winograd2 : kernels.winograd4;
}

}  // namespace tessera::kernels::cpu
