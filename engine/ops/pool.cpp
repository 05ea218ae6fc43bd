#include "engine/ops/pool.h"

#include "engine/ops/check.h"

namespace tessera {

namespace {

kernels::Pool2dShape shape_of(const char* op, const Variable& x, const Pool2dOptions& options) {
  require_rank(op, "input", x.value(), 4, "N,H,W,C");
  const Shape& in = x.shape();
  const Padding& pad = options.padding;
  const WindowAxis rows = window_axis(in[1], options.window, options.stride, pad.same, pad.top, pad.bottom);
  const WindowAxis columns = window_axis(in[2], options.window, options.stride, pad.same, pad.left, pad.right);
  require(rows.out > 0 && columns.out > 0, std::string("[") + op + "] window " + std::to_string(options.window) + "×" +
                                               std::to_string(options.window) + " is larger than the padded input " +
                                               to_string(in));
  return {.n = in[0],
          .h = in[1],
          .w = in[2],
          .c = in[3],
          .r = options.window,
          .s = options.window,
          .p = rows.out,
          .q = columns.out,
          .stride = options.stride,
          .pad_top = rows.before,
          .pad_left = columns.before};
}

}  // namespace

Variable max_pool(const Variable& x, const Pool2dOptions& options) {
  const kernels::Pool2dShape shape = shape_of("max_pool", x, options);
  require(options.window * options.window <= 256, "[max_pool] window of more than 256 cells");

  Device& device = x.value().on();
  const Shape out{shape.n, shape.p, shape.q, shape.c};
  Tensor y = Tensor::empty(x.value().device(), out, x.value().dtype());
  Tensor index;
  if (x.requires_grad()) index = Tensor::empty(x.value().device(), out, DType::u8);
  device.run(&Backend::max_pool_forward, shape, x.value(), y, index);

  return record("max_pool", y, {x}, [shape, index, dx = x.node()](const Tensor& dy) {
    dy.on().run(&Backend::max_pool_backward, shape, dy, index, into(dx));
  });
}

Variable average_pool(const Variable& x, const AveragePool2dOptions& options) {
  const kernels::Pool2dShape shape = shape_of("average_pool", x, options);
  // A window that lies in the padding has no mean.
  require(shape.pad_top < shape.r && shape.pad_left < shape.s && (shape.p - 1) * shape.stride - shape.pad_top < shape.h &&
              (shape.q - 1) * shape.stride - shape.pad_left < shape.w,
          "[average_pool] a window " + std::to_string(options.window) + "×" + std::to_string(options.window) +
              " lies in the padding of input " + to_string(x.shape()));
  const bool count_padding = options.count_padding;
  const Tensor y = Tensor::empty(x.value().device(), {shape.n, shape.p, shape.q, shape.c}, x.value().dtype());
  y.on().run(&Backend::average_pool_forward, shape, count_padding, x.value(), y);

  return record("average_pool", y, {x}, [shape, count_padding, dx = x.node()](const Tensor& dy) {
    dy.on().run(&Backend::average_pool_backward, shape, count_padding, dy, into(dx));
  });
}

Variable global_average_pool(const Variable& x) {
  require_rank("global_average_pool", "input", x.value(), 4, "N,H,W,C");
  Device& device = x.value().on();
  Tensor y = Tensor::empty(x.value().device(), {x.shape()[0], x.shape()[3]}, x.value().dtype());
  device.run(&Backend::global_average_pool_forward, x.value(), y);

  return record("global_average_pool", y, {x},
                [dx = x.node()](const Tensor& dy) { dy.on().run(&Backend::global_average_pool_backward, dy, into(dx)); });
}

}  // namespace tessera
