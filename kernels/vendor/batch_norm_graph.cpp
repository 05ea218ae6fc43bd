#include "kernels/vendor/batch_norm_graph.h"

namespace tessera::kernels::vendor {
namespace {

Graph forward(const Target& target, const BatchNormProblem& p) {
  GraphBuilder graph(target, p.alignment);
  const Extents channels = per_channel(p.x.c);
  int left = 1 + p.residual + p.relu;
  const auto next = [&]() -> const Descriptor& {
    return --left == 0 ? graph.tensor(Operand::y, p.x, p.type) : graph.virtual_tensor(p.x);
  };
  const Descriptor* value = &next();
  graph.operation(CUDNN_BACKEND_OPERATION_NORM_FORWARD_DESCRIPTOR)
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_MODE, CUDNN_BATCH_NORM)
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_PHASE, CUDNN_NORM_FWD_TRAINING)
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_XDESC, graph.tensor(Operand::x, p.x, p.type))
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_SCALE_DESC, graph.tensor(Operand::scale, channels, DType::f32))
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_BIAS_DESC, graph.tensor(Operand::shift, channels, DType::f32))
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_EPSILON_DESC, graph.number(Operand::epsilon))
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_MEAN_DESC, graph.tensor(Operand::mean, channels, DType::f32))
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_INV_VARIANCE_DESC, graph.tensor(Operand::rstd, channels, DType::f32))
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_YDESC, *value)
      .finalize();
  const auto then = [&](cudnnPointwiseMode_t mode, const Descriptor* with = nullptr) {
    const Descriptor& result = next();
    graph.pointwise(mode, *value, with, result);
    value = &result;
  };
  if (p.residual) then(CUDNN_POINTWISE_ADD, &graph.tensor(Operand::residual, p.x, p.type));
  if (p.relu) then(CUDNN_POINTWISE_RELU_FWD);
  return std::move(graph).finish();
}

Graph backward(const Target& target, const BatchNormProblem& p) {
  GraphBuilder graph(target, p.alignment);
  const Extents channels = per_channel(p.x.c);
  graph.operation(CUDNN_BACKEND_OPERATION_NORM_BACKWARD_DESCRIPTOR)
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_MODE, CUDNN_BATCH_NORM)
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_XDESC, graph.tensor(Operand::x, p.x, p.type))
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_DYDESC, graph.tensor(Operand::dy, p.x, p.type))
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_SCALE_DESC, graph.tensor(Operand::scale, channels, DType::f32))
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_MEAN_DESC, graph.tensor(Operand::mean, channels, DType::f32))
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_INV_VARIANCE_DESC, graph.tensor(Operand::rstd, channels, DType::f32))
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_DSCALE_DESC, graph.tensor(Operand::dscale, channels, DType::f32))
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_DBIAS_DESC, graph.tensor(Operand::dshift, channels, DType::f32))
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_DXDESC, graph.tensor(Operand::dx, p.x, p.type))
      .finalize();
  return std::move(graph).finish();
}

}  // namespace

Problem problem_of(const BatchNormProblem& problem) {
  return {.key = key_of(problem),
          .graph =
              [problem](const Target& target) {
                return problem.operation == BatchNormOperation::forward ? forward(target, problem)
                                                                        : backward(target, problem);
              },
          .allows = [](cudnnBackendNumericalNote_t note) { return note != CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC; }};
}

}  // namespace tessera::kernels::vendor
