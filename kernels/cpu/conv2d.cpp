// The convolution slots: which algorithm runs.
//
// Direct convolution serves every shape. Winograd serves 3×3 filters at stride 1 where it saves time (winograd_wins: a
// rule in the shape alone, never a timing, so that the choice is the same in every run); options.direct_convolution rules
// it out.
#include "kernels/cpu/conv2d.h"

#include "kernels/cpu/launchers.h"

namespace tessera::kernels::cpu {
namespace {

void require_float32(const char* op, DType type) {
  if (type != DType::f32) throw MissingKernel(op, "cpu", name_of(type));
}

bool use_winograd(const Stream& stream, const Conv2dShape& shape, Pass pass) {
  return !stream.options.direct_convolution && winograd_wins(shape, pass);
}

}  // namespace

void conv2d_forward(Stream& stream, const Conv2dShape& shape, ConstView x, ConstView w, const Conv2dEpilogue& epilogue,
                    View y) {
  require_float32("conv2d_forward", y.dtype);
  if (epilogue.scale || epilogue.residual) throw MissingKernel("conv2d_forward with a scale or a residual", "cpu");
  const auto run = use_winograd(stream, shape, Pass::forward) ? winograd_forward : direct_forward;
  run(stream, shape, x.as<float>(), w.as<float>(), epilogue.shift.as<float>(), epilogue.activation, y.as<float>());
}

void conv2d_backward_data(Stream& stream, const Conv2dShape& shape, ConstView dy, ConstView w, Gradient dx) {
  if (!dx) return;
  require_float32("conv2d_backward_data", dx.view.dtype);
  const auto run = use_winograd(stream, shape, Pass::backward_data) ? winograd_backward_data : direct_backward_data;
  run(stream, shape, dy.as<float>(), w.as<float>(), dx.view.as<float>(), dx.accumulate);
}

void conv2d_backward_weights(Stream& stream, const Conv2dShape& shape, ConstView x, ConstView dy, Gradient dw) {
  if (!dw) return;
  require_float32("conv2d_backward_weights", dw.view.dtype);
  const auto run = use_winograd(stream, shape, Pass::backward_weights) ? winograd_backward_weights : direct_backward_weights;
  run(stream, shape, x.as<float>(), dy.as<float>(), dw.view.as<float>(), dw.accumulate);
}

}  // namespace tessera::kernels::cpu
