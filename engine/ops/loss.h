// Losses: each a scalar, the mean over the batch, computed from logits in a numerically stable way.
#pragma once

#include "engine/autograd/variable.h"

namespace tessera {

// −Σ_j t_j log softmax(z)_j, mean over the batch; t is one-hot, mixed with 1/K where `smoothing` > 0.
// logits: [N,K], labels: int32 [N] in 0 … K−1 → [1]. weights: [N], what each sample's loss is multiplied by; none: 1.
Variable softmax_cross_entropy(const Variable& logits, const Tensor& labels, double smoothing = 0,
                               const Tensor& weights = {});

// max(z,0) − z·t + log(1 + e^−|z|), mean over the batch; t = (1 − smoothing)·label + smoothing/2.
// logits: [N,1], labels: int32 [N], 0 or 1 → [1]. weights: as above.
Variable sigmoid_cross_entropy(const Variable& logits, const Tensor& labels, double smoothing = 0,
                               const Tensor& weights = {});

// Mean over all elements of (prediction − target)²; both of one shape → [1].
Variable mean_squared_error(const Variable& prediction, const Variable& target);

// coefficient · Σ w²  (no factor ½) → [1];  dw = 2·coefficient·w.
Variable l2_penalty(const Variable& w, double coefficient);

}  // namespace tessera
