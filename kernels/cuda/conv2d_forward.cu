// conv2d_forward: y = f(scale·conv(x, w) + shift + residual) as a matrix product that is never written out (implicit GEMM);
// conv2d_forward_statistics: y = conv(x, w) + bias with the statistics that batch normalisation needs.
//   conv[n,p,q,k] = Σ_{r,s,c} x[n, p·stride + r − pad_top, q·stride + s − pad_left, c] · w[k,r,s,c];
//   x: [n,h,w,c], w: [k,r,s,c], y: [n,p,q,k], float32 (also by TF32) or bf16.
// expects: mma.sync.aligned.m16n8k16 mma.sync.aligned.m16n8k8 ldmatrix.sync cp.async.cg cp.async.ca
//
// Rows of the product are output pixels (n,p,q), columns output channels k, the inner dimension runs over (r,s,c): w is the
// second matrix as it lies in memory, and a row of the first one is a window of x, gathered while it is loaded
// (conv2d_windows.h). One block of 256 or 128 threads per 256 or 128 pixels × 128 channels, or 256 × 64 where channels are
// few; FMA: 128 × 64 (gemm.h): a slice of the statistics is 128 rows of one block, which has them at hand. Where the sum is
// split among blocks, a kernel of its own makes the statistics from y (conv2d_statistics.h). 2·n·p·q·k·r·s·c FLOPs; x is read
// about r·s/stride² times for each 128 output channels, from the L1 and L2 caches but for the first, w once per block, y
// written once. bf16: bound by memory up to 64 channels, then by tensor cores; float32: by arithmetic. A first layer (3
// channels) gathers its windows element by element; one with few output channels as well is none of a product
// (conv2d_few_channels.cu).
// Variants not here: wgmma and TMA, Winograd for 3×3, windows kept in shared memory from one filter cell to the next.
#include "kernels/cuda/conv2d.h"
#include "kernels/cuda/conv2d_few_channels.h"
#include "kernels/cuda/conv2d_grouped.h"
#include "kernels/cuda/conv2d_statistics.h"
#include "kernels/cuda/conv2d_windows.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

template <class Arithmetic>
void forward(Stream& stream, LaunchOn on, const Conv2dSizes& d, const ConstView& x, const ConstView& w,
             const Conv2dEpilogue& epilogue, const View& y, float* statistics) {
  using T = typename Arithmetic::Element;
  const int inner = d.r * d.s * d.c;
  GemmResult<T> result = conv2d_result<T>(d, epilogue, y);
  result.statistics = statistics;
  const auto run = [&](const auto& windows, auto tile, auto chunks) {
    using Filters = GemmMatrix<T, Major::depth>;
    const GemmPart<std::remove_cvref_t<decltype(windows)>, Filters> problem{
        windows, Filters{w.as<T>(), d.k, gemm_bytes<T>(inner)}, d.outputs, inner};
    const bool split =
        launch_gemm<Arithmetic, decltype(tile), decltype(chunks)>(stream, on, problem, 1, d.outputs, inner, result);
    if (split && statistics) slice_statistics(on, static_cast<const T*>(result.data), d.outputs, d.k, statistics);
  };
  const auto run_patches = [&](auto tile) {
    run(Conv2dPatches<T>(windows_of(d), x.as<T>()), tile, GemmChunks<true, true>{});
  };
  if (chunked<T>(x.data, d.c) && chunked<T>(w.data, d.c) && has_patches(d)) {
    if constexpr (std::is_same_v<Arithmetic, Fma>)
      run_patches(typename Arithmetic::Narrow{});  // 128×128 costs the same per multiplication, and spilled on sm_120
    else
      half_empty(d.k, 128) ? run_patches(typename Arithmetic::Narrow{}) : with_tile<Arithmetic>(d.outputs, run_patches);
  } else {
    run(Conv2dWindows<T, Major::depth>(windows_of(d), x.as<T>()), typename Arithmetic::Single{}, GemmChunks<false, false>{});
  }
}

}  // namespace

void conv2d_forward(Stream& stream, const Conv2dShape& shape, ConstView x, ConstView w, const Conv2dEpilogue& epilogue,
                    View y) {
  const LaunchOn on(stream);
  if (shape.groups > 1) return grouped_forward(on, shape, x, w, epilogue, y);
  if (few_channels(shape)) return few_channels_forward(on, shape, x, w, epilogue, y);
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
