// Batch normalisation in training on cuDNN, forward and backward. What it is not asked for, and what it has no plan for, our
// kernels compute: both leave the same mean and rstd, so one pass may be cuDNN's and the other ours. Where our kernels are
// allowed (Options::search library_and_own) they take all of it: cuDNN compiles each of its own when a program starts, half
// a second apiece, for the bytes that ours move, or more.
//
//   forward   cuDNN's norm with residual and ReLU behind it, then the running statistics by a kernel of ours
//   backward  where there is a ReLU, dz = dy where y > 0 by our activation_backward, to where the residual's gradient is
//             wanted or else to the workspace; then cuDNN's dx, dgamma and dbeta from dz. It adds to nothing that is there:
//             gradients that accumulate are left to our kernel.
#include "kernels/backends.h"
#include "kernels/vendor/batch_norm_graph.h"
#include "kernels/vendor/partition.h"
#include "kernels/vendor/session.h"
#include "kernels/vendor/slots.h"

namespace tessera::kernels::vendor {
namespace {

// What a forward pass writes.
struct Forward {
  View y, mean, rstd, running_mean, running_var;

  std::size_t bytes() const {
    return Partition::bytes_for({Partition::bytes_of(y), Partition::bytes_of(mean), Partition::bytes_of(rstd),
                                 Partition::bytes_of(running_mean), Partition::bytes_of(running_var)});
  }
  Forward in(void* block) const {
    Partition parts(block);
    return {parts.take_like(y), parts.take_like(mean), parts.take_like(rstd), parts.take_like(running_mean),
            parts.take_like(running_var)};
  }
};

// What a backward pass writes. dz: our own step in front, empty where there is none.
struct Backward {
  View dx, dz, dgamma, dbeta;

  std::size_t bytes() const {
    return Partition::bytes_for(
        {Partition::bytes_of(dx), Partition::bytes_of(dx), Partition::bytes_of(dgamma), Partition::bytes_of(dbeta)});
  }
  Backward in(void* block) const {
    Partition parts(block);
    return {parts.take_like(dx), parts.take_like(dx), parts.take_like(dgamma), parts.take_like(dbeta)};
  }
};

bool prefers_own(const Stream& stream) { return stream.options.search == Search::library_and_own; }
bool overwritten(const Gradient& gradient) { return gradient && !gradient.accumulate; }

}  // namespace

void batch_norm_training(Stream& stream, const BatchNormParams& params, ConstView x, ConstView statistics,
                         ConstView residual, ConstView gamma, ConstView beta, View running_mean, View running_var, View y,
                         View mean, View rstd) {
  const Forward results{y, mean, rstd, running_mean, running_var};
  const auto own = [&] {
    cuda_backend().batch_norm_training(stream, params, x, statistics, residual, gamma, beta, running_mean, running_var, y,
                                       mean, rstd);
  };
  Operands inputs{{Operand::x, x.data}, {Operand::scale, gamma.data}, {Operand::shift, beta.data}};
  if (residual) inputs.emplace_back(Operand::residual, residual.data);
  const auto operands = [&](const Forward& to) {
    Operands all = inputs;
    all.insert(all.end(), {{Operand::y, to.y.data}, {Operand::mean, to.mean.data}, {Operand::rstd, to.rstd.data}});
    return all;
  };
  const BatchNormProblem problem{.operation = BatchNormOperation::forward,
                                 .x = batch_extents(x.dims),
                                 .type = x.dtype,
                                 .residual = static_cast<bool>(residual),
                                 .relu = params.activation == Activation::relu,
                                 .alignment = alignment_of(operands(results))};
  if (statistics || prefers_own(stream) || !serves(problem)) return own();

  Session& session = Session::of(stream);
  const auto library = [&](const Plan& plan, const Forward& to, void* workspace) {
    const float epsilon = static_cast<float>(params.epsilon);
    Operands all = operands(to);
    all.emplace_back(Operand::epsilon, &epsilon);
    session.run(plan, all, workspace);
    const std::int64_t rows = problem.x.n * problem.x.h * problem.x.w;
    cuda_backend().batch_norm_running(stream, params, rows, to.mean, to.rstd, to.running_mean, to.running_var);
  };
  const Plan* plan = session.plan(
      stream, problem_of(problem),
      {results.bytes(), [&](const Plan& one, void* block, void* workspace) { library(one, results.in(block), workspace); }});
  if (!plan) return own();
  library(*plan, results, stream.workspace.borrow(plan->workspace_bytes()));
}

void batch_norm_backward(Stream& stream, const BatchNormParams& params, bool batch_statistics, ConstView x, ConstView y,
                         ConstView dy, ConstView gamma, ConstView mean, ConstView rstd, Gradient dx, Gradient dresidual,
                         Gradient dgamma, Gradient dbeta) {
  const auto own = [&] {
    cuda_backend().batch_norm_backward(stream, params, batch_statistics, x, y, dy, gamma, mean, rstd, dx, dresidual, dgamma,
                                       dbeta);
  };
  const bool relu = params.activation == Activation::relu;
  const bool plain = batch_statistics && overwritten(dx) && overwritten(dgamma) && overwritten(dbeta) &&
                     (relu ? !dresidual || overwritten(dresidual) : !dresidual && dx.view.data != dy.data);
  const auto operands = [&](const Backward& to) {
    return Operands{{Operand::x, x.data},
                    {Operand::dy, to.dz ? to.dz.data : dy.data},
                    {Operand::scale, gamma.data},
                    {Operand::mean, mean.data},
                    {Operand::rstd, rstd.data},
                    {Operand::dx, to.dx.data},
                    {Operand::dscale, to.dgamma.data},
                    {Operand::dshift, to.dbeta.data}};
  };
  Backward results{dx.view, relu ? dresidual.view : View{}, dgamma.view, dbeta.view};
  const BatchNormProblem problem{.operation = BatchNormOperation::backward,
                                 .x = batch_extents(x.dims),
                                 .type = x.dtype,
                                 .alignment = alignment_of(operands(results))};
  if (!plain || prefers_own(stream) || !serves(problem)) return own();

  Session& session = Session::of(stream);
  const auto library = [&](const Plan& plan, const Backward& to, void* workspace) {
    if (relu) cuda_backend().activation_backward(stream, Activation::relu, y, dy, {to.dz, false});
    session.run(plan, operands(to), workspace);
  };
  const Plan* plan =
      session.plan(stream, problem_of(problem), {results.bytes(), [&](const Plan& one, void* block, void* workspace) {
                                                   Backward to = results.in(block);
                                                   if (!relu) to.dz = {};
                                                   library(one, to, workspace);
                                                 }});
  if (!plan) return own();

  // Borrowed once for both: activation_backward needs no workspace of its own.
  const std::size_t dz_bytes = relu && !dresidual ? Partition::bytes_of(dx.view) : 0;
  Partition workspace(stream.workspace.borrow(Partition::bytes_for({dz_bytes, plan->workspace_bytes()})));
  if (dz_bytes > 0) results.dz = workspace.take_like(dx.view);
  library(*plan, results, workspace.take(plan->workspace_bytes()));
}

}  // namespace tessera::kernels::vendor
