#include "engine/ops/concat.h"

#include "engine/ops/check.h"

namespace tessera {

Variable concat(std::initializer_list<Variable> parts) {
  require(parts.size() > 0, "[concat] nothing to concatenate");
  const Tensor& first = parts.begin()->value();
  Shape out = first.shape();
  require(out.rank > 0, "[concat] a scalar has no axis to concatenate along");
  std::int64_t& columns = out[out.rank - 1];
  columns = 0;
  for (const Variable& part : parts) {
    Shape expected = first.shape();
    if (part.shape().rank == expected.rank) expected[expected.rank - 1] = part.shape().last();
    require_shape("concat", "part", part.value(), expected);
    columns += part.shape().last();
  }

  Device& device = first.on();
  Tensor y = Tensor::empty(first.device(), out, first.dtype());
  struct Slice {
    GradNodePtr node;
    std::int64_t begin, columns;
  };
  std::vector<Slice> slices;
  std::int64_t begin = 0;
  for (const Variable& part : parts) {
    slices.push_back({part.node(), begin, part.shape().last()});
    device.run(&Backend::copy_columns, part.shape().last(), part.value(), 0, {y, false}, begin);
    begin += part.shape().last();
  }

  return record("concat", y, parts, [slices](const Tensor& dy) {
    for (const Slice& slice : slices)
      if (const kernels::Gradient dx = into(slice.node))
        dy.on().run(&Backend::copy_columns, slice.columns, dy, slice.begin, dx, 0);
  });
}

}  // namespace tessera
