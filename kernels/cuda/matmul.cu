// matmul: c (+)= f(op(a)·op(b) + bias);  op(a): [m,k], op(b): [k,n], c: [m,n], row-major, float32.
//
// One block per 64×64 tile of c (gemm.h). The four combinations of transposes are four kernels: they differ in which axis of
// an operand is contiguous, hence in which way a warp reads it.
// 2·m·n·k FLOPs; bytes at least 4·(m·k + k·n + m·n), and each operand is read once per tile of the other: large products are
// bound by fp32 arithmetic, a few rows (m ≤ 64: a classifier) by reading b.
// Variants not here yet: tensor cores; splitting k where c has too few tiles to fill the GPU.
#include <type_traits>

#include "kernels/cuda/gemm.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

// Two blocks per multiprocessor are asked for: left alone, ptxas aims at 64 registers and spills some of the four.
template <class A, class B>
__global__ void __launch_bounds__(gemm_threads, 2) matmul_kernel(A a, B b, int inner, GemmResult c) {
  __shared__ GemmTiles tiles;
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * gemm_tile, column = blockIdx.y * std::int64_t{gemm_tile};
  float sum[gemm_own][gemm_own];
  gemm(a, b, row, column, 0, inner, tiles, sum);
  c.store(gemm_place(row, column), sum);
}

}  // namespace

void matmul(Stream& stream, const MatmulParams& params, ConstView a, ConstView b, ConstView bias, Gradient c) {
  require_float32(stream, a);
  const std::int64_t m = c.view.dims[0], n = c.view.dims[1], k = params.transpose_a ? a.dims[0] : a.dims[1];
  const GemmResult result{c.view.as<float>(), m, n, bias.as<float>(), params.activation, c.accumulate};
  const dim3 grid = gemm_grid(m, n);
  const LaunchOn on(stream);
  const auto with = [&](const auto& x, const auto& y) {
    using X = std::remove_cvref_t<decltype(x)>;
    using Y = std::remove_cvref_t<decltype(y)>;
    launch(matmul_kernel<X, Y>, grid, gemm_threads, 0, on, x, y, gemm_inner(k), result);
  };
  const GemmMatrix<true> rows_of_a{a.as<float>(), m, k}, columns_of_b{b.as<float>(), n, k};
  const GemmMatrix<false> columns_of_a{a.as<float>(), m, m}, rows_of_b{b.as<float>(), n, n};
  if (params.transpose_a) {
    params.transpose_b ? with(columns_of_a, columns_of_b) : with(columns_of_a, rows_of_b);
  } else {
    params.transpose_b ? with(rows_of_a, columns_of_b) : with(rows_of_a, rows_of_b);
  }
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
