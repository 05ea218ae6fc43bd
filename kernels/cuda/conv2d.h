// The sizes of a convolution in 32 bits, since divisions and comparisons of 64 bits cost several times as much on a GPU.
// Offsets into whole tensors stay 64-bit.
#pragma once

#include <cstdint>

#include "kernels/cuda/gemm.h"
#include "kernels/cuda/gpu.h"
#include "kernels/errors.h"
#include "kernels/params.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

struct Conv2dSizes {
  int n, h, w, c, k, r, s, p, q, stride, pad_top, pad_left;
  int inputs, outputs;  // pixels of all images

  // Throws DeviceError where one image or one filter has 2²⁹ elements or more, or all images nearly 2³¹ pixels.
  explicit Conv2dSizes(const Conv2dShape& d)
      : n(static_cast<int>(d.n)),
        h(static_cast<int>(d.h)),
        w(static_cast<int>(d.w)),
        c(static_cast<int>(d.c)),
        k(static_cast<int>(d.k)),
        r(static_cast<int>(d.r)),
        s(static_cast<int>(d.s)),
        p(static_cast<int>(d.p)),
        q(static_cast<int>(d.q)),
        stride(static_cast<int>(d.stride)),
        pad_top(static_cast<int>(d.pad_top)),
        pad_left(static_cast<int>(d.pad_left)),
        inputs(gemm_size(d.n * d.h * d.w)),
        outputs(gemm_size(d.n * d.p * d.q)) {
    constexpr std::int64_t most = std::int64_t{1} << 29;
    const auto small = [](std::int64_t a, std::int64_t b, std::int64_t e) {
      return a < most && b < most && e < most && a * b < most && a * b * e < most;
    };
    if (d.n >= most || !small(d.h, d.w, d.c) || !small(d.p, d.q, d.k) || !small(d.r, d.s, d.c) || !small(d.r, d.s, d.k))
      throw DeviceError(
          "a convolution whose image, output or filter has 2^29 elements or more is too large for the GPU kernels");
  }
};

// What becomes of conv(x, w): y = f(scale·conv + shift + residual).
template <class T>
GemmResult<T> conv2d_result(const Conv2dSizes& d, const Conv2dEpilogue& epilogue, const View& y) {
  GemmResult<T> result{.data = y.data,
                       .rows = d.outputs,
                       .columns = d.k,
                       .elements = std::int64_t{d.outputs} * d.k,
                       .wide = false,
                       .scale = epilogue.scale.as<float>(),
                       .shift = epilogue.shift.as<float>(),
                       .residual = epilogue.residual.as<T>(),
                       .activation = epilogue.activation};
  result.align();
  return result;
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
