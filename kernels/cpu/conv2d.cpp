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

namespace {

struct Taps {
  std::int64_t first, count;
};
// Along one axis. Where there are no outputs, or none that meets a cell, all taps count.
Taps taps_of(std::int64_t outputs, std::int64_t stride, std::int64_t pad, std::int64_t extent, std::int64_t filter) {
  const auto meets = [&](std::int64_t tap) {
    for (std::int64_t p = 0; p < outputs; ++p)
      if (const std::int64_t cell = p * stride + tap - pad; cell >= 0 && cell < extent) return true;
    return false;
  };
  std::int64_t first = 0, last = filter;
  while (first < last && !meets(first)) ++first;
  while (first < last && !meets(last - 1)) --last;
  return first < last ? Taps{first, last - first} : Taps{0, filter};
}

}  // namespace

Reach reach_of(const Conv2dShape& s) {
  const Taps rows = taps_of(s.p, s.stride, s.pad_top, s.h, s.r), columns = taps_of(s.q, s.stride, s.pad_left, s.w, s.s);
  return {rows.first, rows.count, columns.first, columns.count, rows.count == s.r && columns.count == s.s};
}

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
