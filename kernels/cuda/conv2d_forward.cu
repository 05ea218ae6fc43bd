// conv2d_forward: y = f(scale·conv(x, w) + shift + residual) as a matrix product that is never written out (implicit GEMM);
// conv2d_forward_statistics: y = conv(x, w) + bias with the statistics that batch normalisation needs.
//   conv[n,p,q,k] = Σ_{r,s,c} x[n, p·stride + r − pad_top, q·stride + s − pad_left, c] · w[k,r,s,c];
//   x: [n,h,w,c], w: [k,r,s,c], y: [n,p,q,k], float32 (also by TF32) or bf16.
// expects: mma.sync.aligned.m16n8k16 mma.sync.aligned.m16n8k8 ldmatrix.sync cp.async.cg cp.async.ca
//
// Rows of the product are output pixels (n,p,q), columns output channels k, the inner dimension runs over (r,s,c): w is the
// second matrix as it lies in memory, and a row of the first one is a window of x, gathered while it is loaded. One block of
// 128 or 256 threads per 128 pixels × 128 channels, or 256 (FMA: 128) × 64 where channels are few (gemm.h,
// gemm_arithmetic.h): a slice of the statistics is 128 rows of one block, which has them at hand. Where the sum is split
// among blocks, a kernel of its own makes the statistics from y. 2·n·p·q·k·r·s·c FLOPs; x is read about r·s/stride² times
// for each 128 output channels, mostly from the L2 cache, w once per block, y written once. bf16: bound by memory up to 64
// channels, then by tensor cores; float32: by arithmetic. A first layer (3 channels) gathers its windows element by element.
// Variants not here: wgmma and TMA, Winograd for 3×3, windows kept in shared memory from one filter cell to the next.
#include "kernels/cuda/conv2d.h"
#include "kernels/cuda/conv2d_grouped.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

template <class Arithmetic>
void forward(Stream& stream, LaunchOn on, const Conv2dSizes& d, const ConstView& x, const ConstView& w,
             const Conv2dEpilogue& epilogue, const View& y, float* statistics) {
  using T = typename Arithmetic::Element;
  const int inner = d.r * d.s * d.c;
  using Windows = Conv2dWindows<T, Major::depth>;
  using Filters = GemmMatrix<T, Major::depth>;
  const GemmPart<Windows, Filters> problem{windows_of<Major::depth>(x.as<T>(), d), Filters{w.as<T>(), d.k, inner}, d.outputs,
                                           inner};
  GemmResult<T> result{.data = y.data,
                       .rows = d.outputs,
                       .columns = d.k,
                       .elements = std::int64_t{d.outputs} * d.k,
                       .wide = false,
                       .scale = epilogue.scale.as<float>(),
                       .shift = epilogue.shift.as<float>(),
                       .residual = epilogue.residual.as<T>(),
                       .activation = epilogue.activation,
                       .statistics = statistics};
  result.align();
  with_tile<GemmTile<128, 128>, GemmTile<Arithmetic::narrow_rows, 64>, GemmTile<128, 64>>(
      d.k, chunks<T>(x.data, w.data, d.c), [&](auto tile, auto chunked) {
        launch_gemm<Arithmetic, decltype(tile), chunked>(stream, on, problem, 1, d.outputs, inner, result);
      });
}

}  // namespace

void conv2d_forward(Stream& stream, const Conv2dShape& shape, ConstView x, ConstView w, const Conv2dEpilogue& epilogue,
                    View y) {
  const LaunchOn on(stream);
  if (shape.groups > 1) return grouped_forward(on, shape, x, w, epilogue, y);
  with_arithmetic(stream, x, [&](auto arithmetic) {
    forward<decltype(arithmetic)>(stream, on, Conv2dSizes(shape), x, w, epilogue, y, nullptr);
  });
}

void conv2d_forward_statistics(Stream& stream, const Conv2dShape& shape, ConstView x, ConstView w, ConstView bias, View y,
                               View statistics) {
  const LaunchOn on(stream);
  with_arithmetic(stream, x, [&](auto arithmetic) {
    forward<decltype(arithmetic)>(stream, on, Conv2dSizes(shape), x, w, {.shift = bias}, y, statistics.as<float>());
  });
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
