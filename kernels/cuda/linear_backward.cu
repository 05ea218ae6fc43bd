// linear_backward: all gradients of a small layer y = f(x·wᵀ + bias) by one launch. With dz = dy·f'(y):
//   dw[o,j] (+)= Σ_i dz[i,o]·x[i,j];   db[o] (+)= Σ_i dz[i,o];   dx[i,j] (+)= Σ_o dz[i,o]·w[o,j]
// x, dx: [n,in], w: [out,in], dy, y: [n,out], float32 or bf16; dw: [out,in], db: [out], float32. dz is never stored.
//
// The first blocks have tiles of dw, of which the bias is one more column, where x is 1; then come those of dx
// (small_product.h: 512 threads per 16×16). 4·n·in·out FLOPs; every operand is read once for 16 rows or columns of another,
// from the caches. Bound by latency: a launch for each product, the bias and the activation would take longer than they do.
#include "kernels/cuda/elements.h"
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/launchers.h"
#include "kernels/cuda/small_product.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

template <class T>
struct LinearBackward {
  SmallGradients<T, GemmMatrix<T, Major::line>> dz_columns;  // lines are outputs, depths samples
  SmallWithOnes<GemmMatrix<T, Major::line>> x;               // lines are inputs
  SmallGradients<T, GemmMatrix<T, Major::depth>> dz_rows;    // lines are samples, depths outputs
  SmallValues<GemmMatrix<T, Major::line>> w;                 // lines are inputs
  int samples, outputs;
  SmallWeightGradients weights;
  int weight_blocks;
  SmallInputGradient<T> dx;
};

template <class T>
__global__ void __launch_bounds__(small_threads, 1) linear_backward_kernel(LinearBackward<T> layer) {
  __shared__ Pack<4> shared[small_shared];
  int block = static_cast<int>(blockIdx.x);
  if (block < layer.weight_blocks) {
    const int columns = layer.weights.columns + 1, across = ceil_div(columns, small_tile);
    const int row = block / across * small_tile, column = block % across * small_tile;
    const Pack<4> sum = small_sums(layer.dz_columns, layer.x, row, column, 0, layer.samples, shared);
    layer.weights.finish(small_place(row, column, layer.weights.rows, columns), sum);
  } else {
    block -= layer.weight_blocks;
    const int across = ceil_div(layer.dx.columns, small_tile);
    const int row = block / across * small_tile, column = block % across * small_tile;
    const Pack<4> sum = small_sums(layer.dz_rows, layer.w, row, column, 0, layer.outputs, shared);
    const SmallPlace at = small_place(row, column, layer.dx.rows, layer.dx.columns);
    layer.dx.finish(at.row, at.column, at.count, sum);
  }
}

}  // namespace

void linear_backward(Stream& stream, Activation f, ConstView x, ConstView w, ConstView y, ConstView dy, Gradient dx,
                     Gradient dw, Gradient db) {
  with_activation_type(stream, dy.dtype, [&]<class T>(const LaunchOn& on, T) {
    const int n = gemm_size(dy.dims[0]), out = gemm_size(dy.dims[1]), in = gemm_size((x ? x : w).dims[1]);
    const int columns = dw ? in : 0;  // where the bias's gradient alone is wanted, there is no x either
    const GemmMatrix<T, Major::line> dy_columns{dy.as<T>(), out, gemm_bytes<T>(out)},
        inputs{x.as<T>(), columns, gemm_bytes<T>(in)}, weights{w.as<T>(), in, gemm_bytes<T>(in)};
    const GemmMatrix<T, Major::depth> dy_rows{dy.as<T>(), n, gemm_bytes<T>(out)};
    const int weight_blocks = dw || db ? small_tiles(out, columns + 1) : 0;
    launch(linear_backward_kernel<T>, static_cast<unsigned>(weight_blocks + (dx ? small_tiles(n, in) : 0)), small_threads, 0,
           on,
           LinearBackward<T>{{dy_columns, y.as<T>(), f},
                             {inputs},
                             {dy_rows, y.as<T>(), f},
                             {weights},
                             n,
                             out,
                             small_weight_gradients(dw, db, out, columns),
                             weight_blocks,
                             {dx.view.as<T>(), dx.accumulate, n, in}});
  });
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
