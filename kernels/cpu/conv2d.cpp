// The convolution slots: which algorithm runs.
//
// Direct convolution serves every shape without groups. Winograd serves 3×3 filters at stride 1 where it saves time
// (winograd_wins: a rule in the shape alone, never a timing, so that the choice is the same in every run);
// options.direct_convolution rules it out.
#include "kernels/cpu/conv2d.h"

#include "kernels/cpu/launchers.h"
#include "kernels/cpu/types.h"

namespace tessera::kernels::cpu {
namespace {

bool use_winograd(const Stream& stream, const Conv2dShape& shape, Pass pass) {
  return !stream.options.direct_convolution && winograd_wins(shape, pass);
}

}  // namespace

void conv2d_forward(Stream& stream, const Conv2dShape& shape, ConstView x, ConstView w, const Conv2dEpilogue& epilogue,
                    View y) {
  with_type(stream, "conv2d_forward", {x, w, epilogue.residual, y}, [&](auto zero) {
    using E = decltype(zero);
    if (shape.groups > 1) return grouped_forward(stream, shape, x, w, epilogue, y);
    const auto run = use_winograd(stream, shape, Pass::forward) ? winograd_forward<E> : direct_forward<E>;
    run(stream, shape, x.as<E>(), w.as<E>(), typed<E>(epilogue), y.as<E>());
  });
}

void conv2d_backward_data(Stream& stream, const Conv2dShape& shape, ConstView dy, ConstView w, Gradient dx) {
  if (!dx) return;
  with_type(stream, "conv2d_backward_data", {dy, w, dx.view}, [&](auto zero) {
    using E = decltype(zero);
    if (shape.groups > 1) return grouped_backward_data(stream, shape, dy, w, dx);
    const auto run = use_winograd(stream, shape, Pass::backward_data) ? winograd_backward_data<E> : direct_backward_data<E>;
    run(stream, shape, dy.as<E>(), w.as<E>(), dx.view.as<E>(), dx.accumulate);
  });
}

void conv2d_backward_weights(Stream& stream, const Conv2dShape& shape, ConstView x, ConstView dy, Gradient dw) {
  if (!dw) return;
  require_float32(stream, "conv2d_backward_weights", {dw.view});
  with_type(stream, "conv2d_backward_weights", {x, dy}, [&](auto zero) {
    using E = decltype(zero);
    if (shape.groups > 1) return grouped_backward_weights(stream, shape, x, dy, dw);
    const auto run =
        use_winograd(stream, shape, Pass::backward_weights) ? winograd_backward_weights<E> : direct_backward_weights<E>;
    run(stream, shape, x.as<E>(), dy.as<E>(), dw.view.as<float>(), dw.accumulate);
  });
}

}  // namespace tessera::kernels::cpu
