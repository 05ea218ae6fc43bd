#include "kernels/vendor/conv2d_graph.h"

namespace tessera::kernels::vendor {
namespace {

bool allows(const Conv2dProblem& problem, cudnnBackendNumericalNote_t note) {
  switch (note) {
    case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
    case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13: return false;
    case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
    case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS: return problem.type != DType::f32 || problem.tf32;
    case CUDNN_NUMERICAL_NOTE_FFT:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4: return !problem.direct;
    default: return true;
  }
}

class Builder {
 public:
  Builder(const Target& target, const Conv2dProblem& problem) : p_(problem), graph_(target, problem.alignment) {}

  Graph build() && {
    switch (p_.operation) {
      case Conv2dOperation::forward: forward(); break;
      case Conv2dOperation::backward_data: backward_data(); break;
      case Conv2dOperation::backward_weights: backward_weights(); break;
    }
    return std::move(graph_).finish();
  }

 private:
  // The parts of the epilogue in their order; the last operation writes y, those before it virtual tensors.
  void forward() {
    int left = 1 + p_.scale + p_.shift + p_.residual + (p_.activation != Activation::none);
    const auto next = [&]() -> const Descriptor& {
      return --left == 0 ? graph_.tensor(Operand::y, y(), p_.result) : graph_.virtual_tensor(y());
    };
    const Descriptor* sum = &next();
    graph_.operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, convolution())
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, graph_.tensor(Operand::x, x(), p_.type))
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, graph_.tensor(Operand::w, w(), p_.type))
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, *sum)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1.0f)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 0.0f)
        .finalize();
    const auto then = [&](cudnnPointwiseMode_t mode, const Descriptor* with = nullptr) {
      const Descriptor& result = next();
      graph_.pointwise(mode, *sum, with, result);
      sum = &result;
    };
    const Extents channels = per_channel(p_.shape.k);
    if (p_.scale) then(CUDNN_POINTWISE_MUL, &graph_.tensor(Operand::scale, channels, DType::f32));
    if (p_.residual) then(CUDNN_POINTWISE_ADD, &graph_.tensor(Operand::residual, y(), p_.type));
    if (p_.shift) then(CUDNN_POINTWISE_ADD, &graph_.tensor(Operand::shift, channels, DType::f32));
    if (p_.activation == Activation::relu) then(CUDNN_POINTWISE_RELU_FWD);
    if (p_.activation == Activation::sigmoid) then(CUDNN_POINTWISE_SIGMOID_FWD);
  }

  void backward_data() {
    graph_.operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, convolution())
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, graph_.tensor(Operand::dx, x(), p_.result))
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, graph_.tensor(Operand::w, w(), p_.type))
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, graph_.tensor(Operand::dy, y(), p_.type))
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, 1.0f)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, beta())
        .finalize();
  }

  void backward_weights() {
    const Descriptor& dw = graph_.tensor(Operand::dw, w(), p_.result);
    const Descriptor& sum = widens(p_) ? graph_.virtual_tensor(w()) : dw;
    graph_.operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, convolution())
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, sum)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, graph_.tensor(Operand::x, x(), p_.type))
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, graph_.tensor(Operand::dy, y(), p_.type))
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, 1.0f)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, beta())
        .finalize();
    if (widens(p_)) graph_.pointwise(CUDNN_POINTWISE_MUL, sum, &graph_.number(Operand::one), dw);
  }

  Extents x() const { return {p_.shape.n, p_.shape.h, p_.shape.w, p_.shape.c}; }
  Extents w() const { return {p_.shape.k, p_.shape.r, p_.shape.s, p_.shape.c}; }
  Extents y() const { return {p_.shape.n, p_.shape.p, p_.shape.q, p_.shape.k}; }
  float beta() const { return p_.accumulate ? 1.0f : 0.0f; }

  const Descriptor& convolution() {
    const Conv2dShape& d = p_.shape;
    return graph_.part(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR)
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

  const Conv2dProblem& p_;
  GraphBuilder graph_;
};

}  // namespace

Problem problem_of(const Conv2dProblem& problem) {
  return {.key = key_of(problem),
          .graph = [problem](const Target& target) { return Builder(target, problem).build(); },
          .allows = [problem](cudnnBackendNumericalNote_t note) { return allows(problem, note); }};
}

}  // namespace tessera::kernels::vendor
