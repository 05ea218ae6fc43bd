// matmul: c (+)= f(op(a)·op(b) + bias);  op(a): [m,k], op(b): [k,n], c: [m,n], row-major; a, b: float32 (also by TF32) or
// bf16; c: as they are or float32; bias: float32.
// expects: mma.sync.aligned.m16n8k16 mma.sync.aligned.m16n8k8 ldmatrix.sync cp.async.cg cp.async.ca
//
// One block of 128 threads per 64×64 tile of c (gemm.h); where c has few tiles and k is long (gradients of weights), the sum
// is split among blocks; where there is little to do besides, among the warps of blocks with smaller tiles (small_product.h), in
// float32 whatever the arithmetic. The four combinations of transposes are four kernels: they differ in which axis of an operand is
// contiguous.
// 2·m·n·k FLOPs; bytes at least size·(m·k + k·n + m·n), and each operand is read once per 64 rows or columns of the other:
// bf16 is bound by the L2 cache, float32 by arithmetic, a few rows or columns (a classifier) by latency.
// Variants not here: larger tiles (the networks' large products are convolutions), a kernel for one row.
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/launchers.h"
#include "kernels/cuda/small_product.h"
#include "kernels/one_launch.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

void matmul(Stream& stream, const MatmulParams& params, ConstView a, ConstView b, ConstView bias, Gradient c) {
  const LaunchOn on(stream);
  const bool ta = params.transpose_a, tb = params.transpose_b;
  const int m = gemm_size(c.view.dims[0]), n = gemm_size(c.view.dims[1]), k = gemm_size(ta ? a.dims[0] : a.dims[1]);
  with_arithmetic(stream, a, [&](auto arithmetic) {
    using T = typename decltype(arithmetic)::Element;
    GemmResult<T> result{.data = c.view.data,
                         .rows = m,
                         .columns = n,
                         .elements = std::int64_t{m} * n,
                         .wide = c.view.dtype == DType::f32,
                         .accumulate = c.accumulate,
                         .shift = bias.as<float>(),
                         .activation = params.activation};
    result.align();
    using Tile = typename decltype(arithmetic)::Small;
    const std::int64_t tiles = ceil_div<std::int64_t>(m, Tile::rows) * ceil_div<std::int64_t>(n, Tile::columns);
    const bool small = one_launch_product(m, n, k) &&
                       split_count<decltype(arithmetic), Tile>(tiles, ceil_div(k, gemm_depth<T>), result.elements) > 1;
    const auto run = [&](const auto& x, const auto& y) {
      if (small) return launch_small_product(on, x, y, k, result);
      const GemmPart<std::remove_cvref_t<decltype(x)>, std::remove_cvref_t<decltype(y)>> problem{x, y, m, k};
      if (chunked<T>(a.data, ta ? m : k) && chunked<T>(b.data, tb ? k : n))
        launch_gemm<decltype(arithmetic), Tile, GemmChunks<true, true>>(stream, on, problem, 1, m, k, result);
      else
        launch_gemm<decltype(arithmetic), Tile, GemmChunks<false, false>>(stream, on, problem, 1, m, k, result);
    };
    const GemmMatrix<T, Major::depth> rows_of_a{a.as<T>(), m, gemm_bytes<T>(k)},
        columns_of_b{b.as<T>(), n, gemm_bytes<T>(k)};
    const GemmMatrix<T, Major::line> columns_of_a{a.as<T>(), m, gemm_bytes<T>(m)}, rows_of_b{b.as<T>(), n, gemm_bytes<T>(n)};
    if (ta) {
      tb ? run(columns_of_a, columns_of_b) : run(columns_of_a, rows_of_b);
    } else {
      tb ? run(rows_of_a, columns_of_b) : run(rows_of_a, rows_of_b);
    }
  });
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
