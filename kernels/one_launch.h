// What is done by one launch in place of several, since starting kernels takes longer than the work.
#pragma once

#include "kernels/params.h"

namespace tessera::kernels {

// Terms of a sum that one block walks along at most; longer ones are split among blocks, with a launch more to join the parts.
// About where the walk takes as long as that launch, an estimate.
inline constexpr std::int64_t longest_walk = 4096;

// A product whose blocks, of 16×16 results, neither walk far nor are more than some waves (2¹⁰), of few multiply-adds.
inline bool one_launch_product(std::int64_t rows, std::int64_t columns, std::int64_t inner) {
  return small_linear(rows, inner, columns) && inner <= longest_walk && rows * columns <= std::int64_t{1} << 18;
}

// May linear_backward be asked for this layer? Where the products of both its gradients are such.
inline bool one_launch_gradients(std::int64_t n, std::int64_t in, std::int64_t out) {
  return one_launch_product(out, in, n) && one_launch_product(n, in, out);
}

}  // namespace tessera::kernels
