#include "engine/ops/pool.h"

#include "engine/ops/check.h"

namespace tessera {

Variable max_pool(const Variable& x, const Pool2dOptions& options) {
  require_rank("max_pool", "input", x.value(), 4, "N,H,W,C");
  const Shape& in = x.shape();
  const Padding& pad = options.padding;
  const WindowAxis rows = window_axis(in[1], options.window, options.stride, pad.same, pad.top, pad.bottom);
  const WindowAxis columns = window_axis(in[2], options.window, options.stride, pad.same, pad.left, pad.right);
  require(rows.out > 0 && columns.out > 0, "[max_pool] window " + std::to_string(options.window) + "×" +
                                               std::to_string(options.window) + " is larger than the padded input " +
                                               to_string(in));
  require(options.window * options.window <= 256, "[max_pool] window of more than 256 cells");
  const kernels::Pool2dShape shape{.n = in[0],
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

Variable global_average_pool(const Variable& x) {
  require_rank("global_average_pool", "input", x.value(), 4, "N,H,W,C");
  Device& device = x.value().on();
  Tensor y = Tensor::empty(x.value().device(), {x.shape()[0], x.shape()[3]}, x.value().dtype());
  device.run(&Backend::global_average_pool_forward, x.value(), y);

  return record("global_average_pool", y, {x},
                [dx = x.node()](const Tensor& dy) { dy.on().run(&Backend::global_average_pool_backward, dy, into(dx)); });
}

}  // namespace tessera
