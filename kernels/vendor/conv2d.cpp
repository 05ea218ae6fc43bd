// The three convolution slots on cuDNN. What it is not asked for (serves), and what it has no plan for, our kernels compute.
#include "kernels/backends.h"
#include "kernels/vendor/conv2d_graph.h"
#include "kernels/vendor/session.h"
#include "kernels/vendor/slots.h"

namespace tessera::kernels::vendor {
namespace {

// own: calls our kernel with the result where it is told.
template <class Own>
void run(Stream& stream, Conv2dProblem problem, Operands operands, Operand result, View view, const Own& own) {
  problem.alignment = alignment_of(operands);
  problem.tf32 = stream.options.tf32;
  problem.direct = stream.options.direct_convolution;
  if (!serves(problem)) return own(view);

  static constexpr float one = 1;
  if (widens(problem)) operands.emplace_back(Operand::one, &one);
  Session& session = Session::of(stream);
  const auto run_plan = [&](const Plan& plan, void* data, void* workspace) {
    for (auto& [name, address] : operands)
      if (name == result) address = data;
    session.run(plan, operands, workspace);
  };
  const Plan* plan = session.plan(stream, problem_of(problem),
                                  {static_cast<std::size_t>(view.count()) * size_of(view.dtype), run_plan, [&](void* data) {
                                     own(View{data, view.dtype, view.dims});
                                   }});
  if (plan)
    run_plan(*plan, view.data, stream.workspace.borrow(plan->workspace_bytes()));
  else
    own(view);
}

// A slot's operands are of one type each; where two that must be the same are not, the problem is none that cuDNN serves.
DType common(DType a, DType b) { return a == b ? a : DType::u8; }

}  // namespace

void conv2d_forward(Stream& stream, const Conv2dShape& shape, ConstView x, ConstView w, const Conv2dEpilogue& epilogue,
                    View y) {
  Operands operands{{Operand::x, x.data}, {Operand::w, w.data}, {Operand::y, y.data}};
  if (epilogue.scale) operands.emplace_back(Operand::scale, epilogue.scale.data);
  if (epilogue.shift) operands.emplace_back(Operand::shift, epilogue.shift.data);
  if (epilogue.residual) operands.emplace_back(Operand::residual, epilogue.residual.data);
  const Conv2dProblem problem{.operation = Conv2dOperation::forward,
                              .shape = shape,
                              .type = common(x.dtype, w.dtype),
                              .result = y.dtype,
                              .scale = static_cast<bool>(epilogue.scale),
                              .shift = static_cast<bool>(epilogue.shift),
                              .residual = static_cast<bool>(epilogue.residual),
                              .activation = epilogue.activation};
  run(stream, problem, std::move(operands), Operand::y, y,
      [&](View to) { cuda_backend().conv2d_forward(stream, shape, x, w, epilogue, to); });
}

void conv2d_backward_data(Stream& stream, const Conv2dShape& shape, ConstView dy, ConstView w, Gradient dx) {
  const Conv2dProblem problem{.operation = Conv2dOperation::backward_data,
                              .shape = shape,
                              .type = common(dy.dtype, w.dtype),
                              .result = dx.view.dtype,
                              .accumulate = dx.accumulate};
  run(stream, problem, {{Operand::dy, dy.data}, {Operand::w, w.data}, {Operand::dx, dx.view.data}}, Operand::dx, dx.view,
      [&](View to) {
        cuda_backend().conv2d_backward_data(stream, shape, dy, w, {to, dx.accumulate});
      });
}

void conv2d_backward_weights(Stream& stream, const Conv2dShape& shape, ConstView x, ConstView dy, Gradient dw) {
  const Conv2dProblem problem{.operation = Conv2dOperation::backward_weights,
                              .shape = shape,
                              .type = common(x.dtype, dy.dtype),
                              .result = dw.view.dtype,
                              .accumulate = dw.accumulate};
  run(stream, problem, {{Operand::x, x.data}, {Operand::dy, dy.data}, {Operand::dw, dw.view.data}}, Operand::dw, dw.view,
      [&](View to) {
        cuda_backend().conv2d_backward_weights(stream, shape, x, dy, {to, dw.accumulate});
      });
}

}  // namespace tessera::kernels::vendor
