// Max pooling on cuDNN, forward and backward: only where kernels of the library alone were asked for (Options::search
// library). Otherwise our kernels pool, whose index, ties and NaNs are as the table says.
//
// The index of a forward pass is of the library that made it. Whether that is cuDNN depends on options, shape and type alone
// (both_ways), so that the backward pass, which sees other operands, comes to the same answer; cuDNN's first plan of each is
// taken, never timed.
#include "kernels/backends.h"
#include "kernels/errors.h"
#include "kernels/vendor/max_pool_graph.h"
#include "kernels/vendor/partition.h"
#include "kernels/vendor/session.h"
#include "kernels/vendor/slots.h"

namespace tessera::kernels::vendor {
namespace {

// Whether cuDNN pools these forth and back.
bool both_ways(Stream& stream, const Pool2dShape& shape, DType type) {
  MaxPoolProblem problem{.operation = MaxPoolOperation::forward_with_index, .shape = shape, .type = type};
  if (stream.options.search != Search::library || !serves(problem)) return false;
  Session& session = Session::of(stream);
  if (!session.first_plan(problem_of(problem))) return false;
  problem.operation = MaxPoolOperation::backward;
  return session.first_plan(problem_of(problem)) != nullptr;
}

// The plan for these operands; null where there is none. Slices of tensors may be aligned to their elements only.
const Plan* plan_for(Stream& stream, MaxPoolProblem problem, const Operands& operands) {
  const int element = static_cast<int>(size_of(problem.type));
  const int alignment = alignment_of(operands);
  if (alignment < element) return nullptr;
  if (alignment < problem.alignment) problem.alignment = element;
  return Session::of(stream).first_plan(problem_of(problem));
}

// The same where cuDNN must pool. Throws DeviceError where it has no plan for these addresses.
const Plan* require_plan(Stream& stream, const MaxPoolProblem& problem, const Operands& operands) {
  if (const Plan* plan = plan_for(stream, problem, operands)) return plan;
  throw DeviceError("cuDNN pools '" + key_of(problem) + "', but not with operands aligned as these are; use --kernels own " +
                    "or auto");
}

}  // namespace

void max_pool_forward(Stream& stream, const Pool2dShape& shape, ConstView x, View y, View index) {
  MaxPoolProblem problem{.operation = MaxPoolOperation::forward_with_index, .shape = shape, .type = x.dtype};
  Operands operands{{Operand::x, x.data}, {Operand::y, y.data}};
  const Plan* plan = nullptr;
  if (index) {
    operands.emplace_back(Operand::index, index.data);
    if (both_ways(stream, shape, x.dtype)) plan = require_plan(stream, problem, operands);
  } else {
    problem.operation = MaxPoolOperation::forward;
    if (stream.options.search == Search::library && serves(problem)) plan = plan_for(stream, problem, operands);
  }
  if (!plan) return cuda_backend().max_pool_forward(stream, shape, x, y, index);
  Session::of(stream).run(*plan, operands, stream.workspace.borrow(plan->workspace_bytes()));
}

void max_pool_backward(Stream& stream, const Pool2dShape& shape, ConstView dy, ConstView index, Gradient dx) {
  if (!both_ways(stream, shape, dy.dtype)) return cuda_backend().max_pool_backward(stream, shape, dy, index, dx);
  const MaxPoolProblem problem{.operation = MaxPoolOperation::backward, .shape = shape, .type = dy.dtype};
  Operands operands{{Operand::dy, dy.data}, {Operand::index, index.data}, {Operand::dx, dx.view.data}};
  const Plan* plan = require_plan(stream, problem, operands);

  // The library overwrites. A share that is to be added goes to the workspace first, and is added by our kernel.
  const std::size_t share_bytes = dx.accumulate ? Partition::bytes_of(dx.view) : 0;
  Partition workspace(stream.workspace.borrow(Partition::bytes_for({share_bytes, plan->workspace_bytes()})));
  const View share = dx.accumulate ? workspace.take_like(dx.view) : dx.view;
  operands.back().second = share.data;
  Session::of(stream).run(*plan, operands, workspace.take(plan->workspace_bytes()));
  if (dx.accumulate) cuda_backend().arithmetic(stream, Arithmetic::add, dx.view, share, {dx.view, false});
}

}  // namespace tessera::kernels::vendor
