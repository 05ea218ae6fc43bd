#include "kernels/vendor/conv2d_graph.h"

#include <array>

namespace tessera::kernels::vendor {
namespace {

cudnnDataType_t data_type(DType type) { return type == DType::bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT; }

class Builder {
 public:
  Builder(const Target& target, const Conv2dProblem& problem) : target_(target), p_(problem) {}

  Graph build() {
    const Conv2dShape& d = p_.shape;
    const Descriptor& w = tensor(Operand::w, d.k, d.r, d.s, d.c, weights_type());
    const Descriptor& x = tensor(Operand::x, d.n, d.h, d.w, d.c, p_.type);
    switch (p_.operation) {
      case Conv2dOperation::forward: forward(x, w); break;
      case Conv2dOperation::backward_data: {
        const Descriptor& dy = tensor(Operand::y, d.n, d.p, d.q, d.k, p_.type);
        operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, convolution())
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, x)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, w)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, dy)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, 1.0f)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, beta())
            .finalize();
        break;
      }
      case Conv2dOperation::backward_weights: {
        const Descriptor& dy = tensor(Operand::y, d.n, d.p, d.q, d.k, p_.type);
        operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, convolution())
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, w)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, x)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, dy)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, 1.0f)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, beta())
            .finalize();
        break;
      }
    }
    Descriptor graph(target_.cudnn, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operations_);
    if (target_.handle) graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, target_.handle);
    graph.finalize();
    return {std::move(parts_), std::move(graph)};
  }

 private:
  // The parts of the epilogue in their order; the last operation writes y, those before it virtual tensors.
  void forward(const Descriptor& x, const Descriptor& w) {
    const Conv2dShape& d = p_.shape;
    int left = 1 + p_.scale + p_.shift + p_.residual + (p_.activation != Activation::none);
    const auto next = [&]() -> const Descriptor& { return --left == 0 ? output() : virtual_tensor(); };
    const Descriptor* sum = &next();
    operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, convolution())
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, w)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, *sum)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1.0f)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 0.0f)
        .finalize();
    const auto pointwise = [&](cudnnPointwiseMode_t mode, const Descriptor* with) {
      const Descriptor& result = next();
      Descriptor& one = operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
      one.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, pointwise_mode(mode))
          .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, *sum)
          .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, result);
      if (with) one.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *with);
      one.finalize();
      sum = &result;
    };
    if (p_.scale) pointwise(CUDNN_POINTWISE_MUL, &tensor(Operand::scale, 1, 1, 1, d.k, DType::f32));
    if (p_.residual) pointwise(CUDNN_POINTWISE_ADD, &tensor(Operand::residual, d.n, d.p, d.q, d.k, p_.type));
    if (p_.shift) pointwise(CUDNN_POINTWISE_ADD, &tensor(Operand::shift, 1, 1, 1, d.k, DType::f32));
    if (p_.activation == Activation::relu) pointwise(CUDNN_POINTWISE_RELU_FWD, nullptr);
    if (p_.activation == Activation::sigmoid) pointwise(CUDNN_POINTWISE_SIGMOID_FWD, nullptr);
  }

  float beta() const { return p_.accumulate ? 1.0f : 0.0f; }
  DType weights_type() const { return p_.operation == Conv2dOperation::backward_weights ? p_.result : p_.type; }

  Descriptor& part(cudnnBackendDescriptorType_t type) { return parts_.emplace_back(target_.cudnn, type); }

  Descriptor& operation(cudnnBackendDescriptorType_t type) {
    Descriptor& one = part(type);
    operations_.push_back(&one);
    return one;
  }

  // A tensor that lies in memory as a, b, c, d; the library's axes are a, d, b, c.
  Descriptor& tensor(std::int64_t uid, std::int64_t a, std::int64_t b, std::int64_t c, std::int64_t d,
                     cudnnDataType_t type) {
    return part(CUDNN_BACKEND_TENSOR_DESCRIPTOR)
        .set(CUDNN_ATTR_TENSOR_DATA_TYPE, type)
        .set(CUDNN_ATTR_TENSOR_DIMENSIONS, {a, d, b, c})
        .set(CUDNN_ATTR_TENSOR_STRIDES, {b * c * d, std::int64_t{1}, c * d, d})
        .set(CUDNN_ATTR_TENSOR_UNIQUE_ID, uid)
        .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, std::int64_t{p_.alignment});
  }
  const Descriptor& tensor(Operand name, std::int64_t a, std::int64_t b, std::int64_t c, std::int64_t d, DType type) {
    return tensor(static_cast<std::int64_t>(name), a, b, c, d, data_type(type)).finalize();
  }
  const Descriptor& output() { return tensor(Operand::y, p_.shape.n, p_.shape.p, p_.shape.q, p_.shape.k, p_.result); }
  const Descriptor& virtual_tensor() {
    const Conv2dShape& d = p_.shape;
    return tensor(next_virtual_++, d.n, d.p, d.q, d.k, CUDNN_DATA_FLOAT).set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, true).finalize();
  }

  const Descriptor& convolution() {
    const Conv2dShape& d = p_.shape;
    return part(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR)
        .set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT)
        .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION)
        .set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::int64_t{2})
        .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, {d.stride, d.stride})
        .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, {std::int64_t{1}, std::int64_t{1}})
        .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, {d.pad_top, d.pad_left})
        .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS,
             {padding_behind(d.h, d.r, d.p, d.stride, d.pad_top), padding_behind(d.w, d.s, d.q, d.stride, d.pad_left)})
        .finalize();
  }

  const Descriptor& pointwise_mode(cudnnPointwiseMode_t mode) {
    return part(CUDNN_BACKEND_POINTWISE_DESCRIPTOR)
        .set(CUDNN_ATTR_POINTWISE_MODE, mode)
        .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT)
        .set(CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, CUDNN_PROPAGATE_NAN)
        .finalize();
  }

  const Target& target_;
  const Conv2dProblem& p_;
  std::deque<Descriptor> parts_;  // a deque: references to its elements stay valid
  std::vector<const Descriptor*> operations_;
  std::int64_t next_virtual_ = 100;
};

}  // namespace

Graph build_graph(const Target& target, const Conv2dProblem& problem) { return Builder(target, problem).build(); }

}  // namespace tessera::kernels::vendor
