#include "kernels/vendor/max_pool_graph.h"

namespace tessera::kernels::vendor {
namespace {

Extents input(const Pool2dShape& d) { return {d.n, d.h, d.w, d.c}; }
Extents output(const Pool2dShape& d) { return {d.n, d.p, d.q, d.c}; }

const Descriptor& windows(GraphBuilder& graph, const Pool2dShape& d) {
  const auto whole = [](std::int64_t rows, std::int64_t columns) {
    return std::vector<cudnnFraction_t>{{rows, 1}, {columns, 1}};
  };
  const auto set = [](Descriptor& to, cudnnBackendAttributeName_t name, const std::vector<cudnnFraction_t>& values) {
    to.set(name, std::span<const cudnnFraction_t>(values));
  };
  Descriptor& pooling = graph.part(CUDNN_BACKEND_RESAMPLE_DESCRIPTOR);
  pooling.set(CUDNN_ATTR_RESAMPLE_MODE, CUDNN_RESAMPLE_MAXPOOL)
      .set(CUDNN_ATTR_RESAMPLE_PADDING_MODE, CUDNN_NEG_INF_PAD)
      .set(CUDNN_ATTR_RESAMPLE_NAN_PROPAGATION, CUDNN_PROPAGATE_NAN)
      .set(CUDNN_ATTR_RESAMPLE_COMP_TYPE, CUDNN_DATA_FLOAT)
      .set(CUDNN_ATTR_RESAMPLE_SPATIAL_DIMS, std::int64_t{2});
  set(pooling, CUDNN_ATTR_RESAMPLE_WINDOW_DIMS, whole(d.r, d.s));
  set(pooling, CUDNN_ATTR_RESAMPLE_STRIDES, whole(d.stride, d.stride));
  set(pooling, CUDNN_ATTR_RESAMPLE_PRE_PADDINGS, whole(d.pad_top, d.pad_left));
  set(pooling, CUDNN_ATTR_RESAMPLE_POST_PADDINGS,
      whole(padding_behind(d.h, d.r, d.p, d.stride, d.pad_top), padding_behind(d.w, d.s, d.q, d.stride, d.pad_left)));
  return pooling.finalize();
}

Graph forward(const Target& target, const MaxPoolProblem& p) {
  GraphBuilder graph(target, p.alignment);
  const Descriptor& pooling = windows(graph, p.shape);
  Descriptor& operation = graph.operation(CUDNN_BACKEND_OPERATION_RESAMPLE_FWD_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_RESAMPLE_FWD_DESC, pooling)
      .set(CUDNN_ATTR_OPERATION_RESAMPLE_FWD_XDESC, graph.tensor(Operand::x, input(p.shape), p.type))
      .set(CUDNN_ATTR_OPERATION_RESAMPLE_FWD_YDESC, graph.tensor(Operand::y, output(p.shape), p.type));
  if (p.operation == MaxPoolOperation::forward_with_index)
    operation.set(CUDNN_ATTR_OPERATION_RESAMPLE_FWD_IDXDESC, graph.tensor(Operand::index, output(p.shape), DType::u8));
  operation.finalize();
  return std::move(graph).finish();
}

Graph backward(const Target& target, const MaxPoolProblem& p) {
  GraphBuilder graph(target, p.alignment);
  const Descriptor& pooling = windows(graph, p.shape);
  graph.operation(CUDNN_BACKEND_OPERATION_RESAMPLE_BWD_DESCRIPTOR)
      .set(CUDNN_ATTR_OPERATION_RESAMPLE_BWD_DESC, pooling)
      .set(CUDNN_ATTR_OPERATION_RESAMPLE_BWD_DXDESC, graph.tensor(Operand::dx, input(p.shape), p.type))
      .set(CUDNN_ATTR_OPERATION_RESAMPLE_BWD_DYDESC, graph.tensor(Operand::dy, output(p.shape), p.type))
      .set(CUDNN_ATTR_OPERATION_RESAMPLE_BWD_IDXDESC, graph.tensor(Operand::index, output(p.shape), DType::u8))
      .finalize();
  return std::move(graph).finish();
}

}  // namespace

Problem problem_of(const MaxPoolProblem& problem) {
  return {.key = key_of(problem),
          .graph =
              [problem](const Target& target) {
                return problem.operation == MaxPoolOperation::backward ? backward(target, problem)
                                                                       : forward(target, problem);
              },
          .allows = [](cudnnBackendNumericalNote_t note) { return note != CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC; }};
}

}  // namespace tessera::kernels::vendor
