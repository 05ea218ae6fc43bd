// conv2d_backward_weights: dw (+)= the correlation of x with dy, as an implicit matrix product.
//   dw[k,r,s,c] = Σ_{n,p,q} dy[n,p,q,k] · x[n, p·stride + r − pad_top, q·stride + s − pad_left, c]
// x: [n,h,w,c], dy: [n,p,q,k], float32 (also by TF32) or bf16; dw: [k,r,s,c], float32.
// expects: mma.sync.aligned.m16n8k16 mma.sync.aligned.m16n8k8 ldmatrix.sync cp.async.cg cp.async.ca
//
// Rows of the product are output channels k, columns filter cells (r,s,c), the inner dimension runs over output pixels
// (n,p,q): a small result and a very long sum, so that the sum is nearly always split among blocks (gemm.h). One block per
// 256, 128 or 64 channels × 128 (64 channels by tensor cores: 192, of which nine times 64 fill three) filter cells and share of
// the pixels; 64 × 32 where x has no whole chunks of channels, of which dy may have all the same. Both operands are
// contiguous along their lines: for bf16, ldmatrix transposes on the way to the registers. 2·n·p·q·k·r·s·c FLOPs; x is read
// about r·s/stride² times for each 128 output channels, dy once for each 128 filter cells, mostly from the L2 cache; the
// shares cost 8·splits·k·r·s·c bytes. bf16: bound by memory up to 64 channels, then by tensor cores; float32: by arithmetic.
// Variants not here: wgmma (which takes TF32 along the depth only), tiles for fewer than 64 channels.
#include "kernels/cuda/conv2d.h"
#include "kernels/cuda/conv2d_grouped.h"
#include "kernels/cuda/conv2d_windows.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
void conv2d_backward_weights(Stream& stream, const Conv2dShape& shape, ConstView x, ConstView dy, Gradient dw) {
  const LaunchOn on(stream);
  if (shape.groups > 1) return grouped_backward_weights(on, shape, x, dy, dw);
  const Conv2dSizes d(shape);
  with_arithmetic(stream, x, [&](auto arithmetic) {
    using T = typename decltype(arithmetic)::Element;
    using Gradients = GemmMatrix<T, Major::line>;
    using Windows = Conv2dWindows<T, Major::line>;
    const int cells = d.r * d.s * d.c;
    const GemmPart<Gradients, Windows> problem{Gradients{dy.as<T>(), d.k, gemm_bytes<T>(d.k)},
                                               Windows(windows_of(d), x.as<T>()), d.k, d.outputs};
    GemmResult<T> result{.data = dw.view.data,
                         .rows = d.k,
                         .columns = cells,
                         .elements = std::int64_t{d.k} * cells,
                         .accumulate = dw.accumulate};
    result.align();
    const auto run = [&](auto tile, auto chunks) {
      launch_gemm<decltype(arithmetic), decltype(tile), decltype(chunks)>(stream, on, problem, 1, d.k, d.outputs, result);
    };
    if (!chunked<T>(dy.data, d.k))
      run(typename decltype(arithmetic)::Slender{}, GemmChunks<false, false>{});
    else if (!chunked<T>(x.data, d.c))
      run(typename decltype(arithmetic)::Slender{}, GemmChunks<true, false>{});
    else if (half_empty(d.k, 128))
      run(typename decltype(arithmetic)::Low{}, GemmChunks<true, true>{});
    else
      with_tile<decltype(arithmetic)>(d.k, [&](auto tile) { run(tile, GemmChunks<true, true>{}); });
  });
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
