// The whole contract between the engine and its kernels: one table of slots per backend.
//
// Rules for every slot
//   * Views are dense; their shapes are as the comment says (the engine has checked them). Float operands are of one of two
//     kinds. T: images and other activations, their gradients, and the filters and matrices that meet them: float32 or
//     bf16 (float64 in `reference`, which has no bf16). P: parameters, their gradients, statistics, losses, optimiser
//     state: float32 where T is bf16, else T. A comment says where an operand is of kind P.
//   * An empty ConstView / View / Gradient means "not there" / "not wanted"; only operands marked `?` may be empty.
//   * Gradient outputs honour `accumulate`. Outputs never alias inputs unless a comment allows it.
//   * Work is issued to the stream and never waited for. No memory is allocated but stream.workspace.
//   * Sums have a fixed order: the same inputs, options and machine give the same bits.
//   * Arithmetic and accumulation are in float32 at least (float64 inside `reference`); bf16 is rounded once, when stored.
//     Options::tf32 lets matrix products and convolutions of float32 operands round those to TF32 first.
//
// N,H,W,C input, K,R,S,C filters, N,P,Q,K output; labels are int32.
#pragma once

#include <array>

#include "kernels/params.h"
#include "kernels/runtime.h"
#include "kernels/slot.h"
#include "kernels/stream.h"
#include "kernels/view.h"

namespace tessera::kernels {

// What a convolution does with its sums before it stores them, per output channel: y = f(scale·sum + shift + residual).
struct Conv2dEpilogue {
  ConstView scale = {};     // ? P [k]; 1 if empty
  ConstView shift = {};     // ? P [k]; a bias is one
  ConstView residual = {};  // ? T, shape of y
  Activation activation = Activation::none;
};

struct Backend {
  const char* name;
  const Runtime& runtime;

  // ---- elementwise -------------------------------------------------------------------------------------------------

  // y = a + b, all of one shape; y may be a or b.
  Slot<"add", void(Stream&, ConstView a, ConstView b, View y)> add;

  // y (+)= x, each element rounded to y's type (nearest, ties to even).  x, y: float32 or bf16 (float64 in `reference`), of
  // one shape or flat of one count.
  Slot<"convert", void(Stream&, ConstView x, Gradient y)> convert;

  // y (+)= alpha · factor · x;  factor?: one P in device memory (1 if empty).
  Slot<"scale", void(Stream&, double alpha, ConstView factor, ConstView x, Gradient y)> scale;

  // y = f(x);  relu: max(x, 0) (NaN stays NaN), sigmoid: 1/(1 + e^−x).
  Slot<"activation_forward", void(Stream&, Activation, ConstView x, View y)> activation_forward;

  // dx (+)= dy · f'(x), from the output: relu: y > 0 ? dy : 0, sigmoid: dy·y·(1 − y).  dx may be dy when it overwrites.
  Slot<"activation_backward", void(Stream&, Activation, ConstView y, ConstView dy, Gradient dx)> activation_backward;

  // y (+)= keep_i · x_i / (1 − p);  keep_i = to_unit(word i%4 of philox(seed, dropout, dropout_stream(step, layer), i/4)) ≥
  // p. `state` is in device memory. Forward and backward are the same call. Elements are numbered in N,H,W,C order.
  Slot<"dropout", void(Stream&, const DropoutParams&, const StepState* state, ConstView x, Gradient y)> dropout;

  // y (+)= x with axes reordered: y.dims[i] = x.dims[axes[i]], rank 4.
  Slot<"permute", void(Stream&, std::array<int, 4> axes, ConstView x, Gradient y)> permute;

  // y[i, to + j] (+)= x[i, from + j] for 0 ≤ j < columns;  x, y: as many rows each (all leading axes of one together), the
  // last axes as they are. The other columns of y keep what they hold. (Concatenation of channels, and its gradient.)
  Slot<"copy_columns", void(Stream&, std::int64_t columns, ConstView x, std::int64_t from, Gradient y, std::int64_t to)>
      copy_columns;

  // ---- reductions --------------------------------------------------------------------------------------------------

  // y[0] (+)= alpha · Σ x;  y: P
  Slot<"sum", void(Stream&, double alpha, ConstView x, Gradient y)> sum;

  // y[0] (+)= alpha · Σ x²;  y: P
  Slot<"sum_of_squares", void(Stream&, double alpha, ConstView x, Gradient y)> sum_of_squares;

  // y[j] (+)= Σ_i x[i,j];  x: [rows, columns] (all leading axes of x together are its rows), y: P [columns]
  Slot<"column_sums", void(Stream&, ConstView x, Gradient y)> column_sums;

  // ---- dense -------------------------------------------------------------------------------------------------------

  // c (+)= f(op(a) · op(b) + bias);  op(a): [m,k], op(b): [k,n], bias?: P [n], c: T or P [m,n]. op(x) = x or its transpose.
  // With accumulate there is neither bias nor activation.
  Slot<"matmul", void(Stream&, const MatmulParams&, ConstView a, ConstView b, ConstView bias, Gradient c)> matmul;

  // ---- convolution (formula at Conv2dShape) ------------------------------------------------------------------------

  // y = epilogue(conv(x, w));  x: [n,h,w,c], w: [k,r,s,c], y: [n,p,q,k]
  Slot<"conv2d_forward", void(Stream&, const Conv2dShape&, ConstView x, ConstView w, const Conv2dEpilogue&, View y)>
      conv2d_forward;

  // y = conv(x, w) + bias?, and on the way what batch_norm_training needs to know of y: with slice i the rows
  // [i·R, (i+1)·R) of y as a matrix [n·p·q, k], R = statistics_rows:  statistics: P [slices, 2, k], statistics[i,0] = mean
  // of the slice's rows, statistics[i,1] = Σ(row − mean)², both of y as stored.  bias?: P [k].
  // A backend may leave it empty: batch_norm_training then reads y once more.
  Slot<"conv2d_forward_statistics",
       void(Stream&, const Conv2dShape&, ConstView x, ConstView w, ConstView bias, View y, View statistics)>
      conv2d_forward_statistics;

  // dx (+)= Σ over outputs that read it of dy · w;  dy: [n,p,q,k], dx: [n,h,w,c]. Input cells that no window reads get 0.
  Slot<"conv2d_backward_data", void(Stream&, const Conv2dShape&, ConstView dy, ConstView w, Gradient dx)>
      conv2d_backward_data;

  // dw (+)= Σ_{n,p,q} dy · x;  dw: P [k,r,s,c]. (The bias gradient is column_sums of dy.)
  Slot<"conv2d_backward_weights", void(Stream&, const Conv2dShape&, ConstView x, ConstView dy, Gradient dw)>
      conv2d_backward_weights;

  // ---- pooling -----------------------------------------------------------------------------------------------------

  // y = max over the window's cells inside x; index? (uint8, shape of y): r·S + s of the first maximum in row-major
  // window order. A NaN in the window wins.
  Slot<"max_pool_forward", void(Stream&, const Pool2dShape&, ConstView x, View y, View index)> max_pool_forward;

  // dx (+)= dy scattered to the winning cells.
  Slot<"max_pool_backward", void(Stream&, const Pool2dShape&, ConstView dy, ConstView index, Gradient dx)> max_pool_backward;

  // y[n,c] = mean over H×W of x[n,h,w,c]
  Slot<"global_average_pool_forward", void(Stream&, ConstView x, View y)> global_average_pool_forward;

  // dx[n,h,w,c] (+)= dy[n,c] / (H·W)
  Slot<"global_average_pool_backward", void(Stream&, ConstView dy, Gradient dx)> global_average_pool_backward;

  // ---- batch normalisation: x, residual, y: T [..., C]; gamma, beta, mean, … : P [C]; M = rows of x ----------------------

  // mean = Σx/M, var = Σ(x−mean)²/M, rstd = 1/√(var + ε);  y = f(gamma·(x − mean)·rstd + beta + residual?);
  // running_mean and running_var are updated in place (BatchNormParams). The variance is computed from shifted or centred
  // values (never E[x²] − E[x]²), so that a large mean costs no accuracy. statistics?: of x, from the convolution that made
  // it (conv2d_forward_statistics); where they are given, x is read once only.
  Slot<"batch_norm_training",
       void(Stream&, const BatchNormParams&, ConstView x, ConstView statistics, ConstView residual, ConstView gamma,
            ConstView beta, View running_mean, View running_var, View y, View mean, View rstd)>
      batch_norm_training;

  // The same formula with the running statistics. rstd?: 1/√(running_var + ε), for a backward pass.
  Slot<"batch_norm_inference", void(Stream&, const BatchNormParams&, ConstView x, ConstView residual, ConstView gamma,
                                    ConstView beta, ConstView running_mean, ConstView running_var, View y, View rstd)>
      batch_norm_inference;

  // The same formula as an epilogue of the convolution in front: scale = gamma/√(running_var + ε),
  // shift = beta + (bias? − running_mean)·scale.  All: P [C].
  Slot<"batch_norm_fold", void(Stream&, const BatchNormParams&, ConstView bias, ConstView gamma, ConstView beta,
                               ConstView running_mean, ConstView running_var, View scale, View shift)>
      batch_norm_fold;

  // dz = f'(y)·dy;  dresidual? (+)= dz;  dbeta? (+)= Σ dz;  dgamma? (+)= Σ dz·x̂  with x̂ = (x − mean)·rstd;
  // batch_statistics:  dx? (+)= gamma·rstd·(dz − Σdz/M − x̂·Σ(dz·x̂)/M);   otherwise:  dx? (+)= gamma·rstd·dz.
  // y is read only where the activation is relu. dx or dresidual may be dy where they overwrite, but not both.
  Slot<"batch_norm_backward",
       void(Stream&, const BatchNormParams&, bool batch_statistics, ConstView x, ConstView y, ConstView dy, ConstView gamma,
            ConstView mean, ConstView rstd, Gradient dx, Gradient dresidual, Gradient dgamma, Gradient dbeta)>
      batch_norm_backward;

  // ---- losses and metrics: logits [n,k] of kind P, labels int32 [n] -----------------------------------------------------

  // losses[i] = log Σ_j e^{z_ij} − Σ_j t_ij z_ij, stable;  t_ij = (1−s)·[j = label_i] + s/k with s the label smoothing.
  Slot<"softmax_cross_entropy_forward", void(Stream&, double smoothing, ConstView logits, ConstView labels, View losses)>
      softmax_cross_entropy_forward;

  // dlogits_ij (+)= (softmax(z_i)_j − t_ij) · dloss/n;  dloss: one P in device memory (gradient of the mean loss).
  Slot<"softmax_cross_entropy_backward",
       void(Stream&, double smoothing, ConstView logits, ConstView labels, ConstView dloss, Gradient dlogits)>
      softmax_cross_entropy_backward;

  // logits [n,1], labels 0 or 1: losses[i] = max(z,0) − z·t + log(1 + e^−|z|)
  Slot<"sigmoid_cross_entropy_forward", void(Stream&, ConstView logits, ConstView labels, View losses)>
      sigmoid_cross_entropy_forward;

  // dlogits_i (+)= (sigmoid(z_i) − t_i) · dloss/n
  Slot<"sigmoid_cross_entropy_backward",
       void(Stream&, ConstView logits, ConstView labels, ConstView dloss, Gradient dlogits)>
      sigmoid_cross_entropy_backward;

  // Adds this batch to `metrics` (device memory). loss: one P, the batch's loss. Rank of the label among the logits:
  // the number of j with z_j > z_label (NaN counts as greater; a NaN at the label itself ranks last), ties broken by the
  // lower index first. k = 1: correct if (z > 0) equals the label, also counted as top-5.
  Slot<"classification_metrics", void(Stream&, ConstView logits, ConstView labels, ConstView loss, Metrics* metrics)>
      classification_metrics;

  // ---- optimiser: flat vectors of kind P and one length; state, guard? in device memory ---------------------------------
  // Where guard is given and guard->skip ≠ 0, nothing changes. t = state->step + 1, lr = state->learning_rate.
  // copy?: bf16, the new weights rounded.

  // skip = any element of x is NaN or infinite; consecutive = skip ? consecutive + 1 : 0; skipped += skip.
  Slot<"check_finite", void(Stream&, ConstView x, StepGuard* guard)> check_finite;

  // g' = g + weight_decay·w;  momentum = 0: w −= lr·g'  (velocity? empty);  else v = momentum·v + g';
  // w −= lr·(nesterov ? g' + momentum·v : v).
  Slot<"sgd_step", void(Stream&, const SgdParams&, const StepState* state, const StepGuard* guard, ConstView gradient,
                        View weights, View velocity, View copy)>
      sgd_step;

  // m = β1·m + (1−β1)·g';  v = β2·v + (1−β2)·g'²;  w as AdamForm says. Bias corrections in double.
  Slot<"adam_step", void(Stream&, const AdamParams&, const StepState* state, const StepGuard* guard, ConstView gradient,
                         View weights, View moment1, View moment2, View copy)>
      adam_step;

  // ---- data --------------------------------------------------------------------------------------------------------

  // For i in [0, n): sample = order[state->position + i]; x[i] = transformed images[sample] (GatherParams, augmentation());
  // y[i] = labels[sample].  images: uint8 [m,h,w,c], labels: int32 [m], order: int32, x: T [n,h,w,c], y: int32 [n].
  Slot<"gather_batch", void(Stream&, const GatherParams&, const StepState* state, ConstView images, ConstView labels,
                            ConstView order, View x, View y)>
      gather_batch;
};

// Calls take(slots…) with every slot, in the table's order: the one list of them besides the table itself.
template <class Take>
auto with_slots(const Backend& b, Take&& take) {
  const auto all = [&](const auto&... slot) {
    static_assert(sizeof(Backend) == (sizeof...(slot) + 2) * sizeof(void*), "a slot is missing from with_slots");
    return take(slot...);
  };
  return all(b.add, b.convert, b.scale, b.activation_forward, b.activation_backward, b.dropout, b.permute, b.copy_columns,
             b.sum, b.sum_of_squares, b.column_sums, b.matmul, b.conv2d_forward, b.conv2d_forward_statistics,
             b.conv2d_backward_data, b.conv2d_backward_weights, b.max_pool_forward, b.max_pool_backward,
             b.global_average_pool_forward, b.global_average_pool_backward, b.batch_norm_training, b.batch_norm_inference,
             b.batch_norm_fold, b.batch_norm_backward, b.softmax_cross_entropy_forward, b.softmax_cross_entropy_backward,
             b.sigmoid_cross_entropy_forward, b.sigmoid_cross_entropy_backward, b.classification_metrics, b.check_finite,
             b.sgd_step, b.adam_step, b.gather_batch);
}

// Calls visit(slot) for every slot, in the table's order: tests and benchmarks are complete by construction.
template <class Visitor>
void for_each_slot(const Backend& b, Visitor&& visit) {
  with_slots(b, [&](const auto&... slot) { (visit(slot), ...); });
}

// The slots of `below` under another name and runtime: what a backend that replaces only some of them starts from.
inline Backend overlay(const Backend& below, const char* name, const Runtime& runtime) {
  return with_slots(below, [&](const auto&... slot) { return Backend{name, runtime, slot...}; });
}

inline const char* backend_name(const Stream& stream) { return stream.backend.name; }

}  // namespace tessera::kernels
