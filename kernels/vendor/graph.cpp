#include "kernels/vendor/graph.h"

#include <algorithm>

namespace tessera::kernels::vendor {
namespace {

cudnnDataType_t data_type(DType type) {
  switch (type) {
    case DType::bf16: return CUDNN_DATA_BFLOAT16;
    case DType::u8: return CUDNN_DATA_INT8;  // an index, below 128
    default: return CUDNN_DATA_FLOAT;
  }
}

}  // namespace

Descriptor& GraphBuilder::layout(std::int64_t name, const Extents& e, cudnnDataType_t type) {
  return part(CUDNN_BACKEND_TENSOR_DESCRIPTOR)
      .set(CUDNN_ATTR_TENSOR_DATA_TYPE, type)
      .set(CUDNN_ATTR_TENSOR_DIMENSIONS, {e.n, e.c, e.h, e.w})
      .set(CUDNN_ATTR_TENSOR_STRIDES, {e.h * e.w * e.c, std::int64_t{1}, e.w * e.c, e.c})
      .set(CUDNN_ATTR_TENSOR_UNIQUE_ID, name)
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, std::int64_t{alignment_});
}

const Descriptor& GraphBuilder::tensor(Operand name, const Extents& extents, DType type) {
  return layout(static_cast<std::int64_t>(name), extents, data_type(type)).finalize();
}

const Descriptor& GraphBuilder::virtual_tensor(const Extents& extents) {
  return layout(next_virtual_++, extents, CUDNN_DATA_FLOAT).set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, true).finalize();
}

const Descriptor& GraphBuilder::number(Operand name) {
  return layout(static_cast<std::int64_t>(name), per_channel(1), CUDNN_DATA_FLOAT)
      .set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, true)
      .finalize();
}

Descriptor& GraphBuilder::operation(cudnnBackendDescriptorType_t type) {
  Descriptor& one = part(type);
  operations_.push_back(&one);
  return one;
}

void GraphBuilder::pointwise(cudnnPointwiseMode_t mode, const Descriptor& x, const Descriptor* with, const Descriptor& y) {
  const Descriptor& what = part(CUDNN_BACKEND_POINTWISE_DESCRIPTOR)
                               .set(CUDNN_ATTR_POINTWISE_MODE, mode)
                               .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT)
                               .set(CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, CUDNN_PROPAGATE_NAN)
                               .finalize();
  Descriptor& one = operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  one.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, what)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
  if (with) one.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *with);
  one.finalize();
}

Graph GraphBuilder::finish() && {
  Descriptor graph(target_.cudnn, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operations_);
  if (target_.handle) graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, target_.handle);
  graph.finalize();
  return {std::move(parts_), std::move(graph)};
}

std::int64_t padding_behind(std::int64_t input, std::int64_t window, std::int64_t output, std::int64_t stride,
                            std::int64_t before) {
  return std::max<std::int64_t>(0, (output - 1) * stride + window - before - input);
}

bool whole_windows(std::int64_t input, std::int64_t window, std::int64_t output, std::int64_t stride, std::int64_t before) {
  const std::int64_t reach = input + before + padding_behind(input, window, output, stride, before) - window;
  return reach >= 0 && reach / stride + 1 == output;
}

}  // namespace tessera::kernels::vendor
