// Batch normalisation of a batch that several processes share, by the statistics of the whole.
#pragma once

#include <span>
#include <vector>

#include "engine/ops/batch_norm.h"

namespace tessera {

// The processes that share a batch, as an op sees them.
class BatchShares {
 public:
  virtual ~BatchShares() = default;
  // Has this process images of the batch? Where not, it passes through the network for its own sake.
  virtual bool counts() const = 0;
  // `own` of every process, in their order: as many numbers from each. All call it, in the same order.
  virtual std::vector<std::vector<double>> gather(std::span<const double> own) const = 0;
};

// batch_norm() with batch statistics, of which x holds this process's rows. With M_r rows, mean_r and var_r in process r:
//
//   M = Σ M_r,  mean = Σ M_r·mean_r/M,  var = Σ M_r·(var_r + (mean_r − mean)²)/M
//   backward: dx = gamma·rstd·(dz − Σdz/M − x̂·Σ(dz·x̂)/M), both sums over all processes
//
// summed in float64 in the order of the processes, so that all have the same bits. dgamma and dbeta are this process's share:
// whoever adds gradients over the processes has the whole batch's. The running statistics are updated by the whole batch's.
// Waits for the device. Of the slots it takes those of batch_norm: one pass over x more than it, forward and backward.
// (Chan, Golub, LeVeque 1983, "Algorithms for computing the sample variance"; PyTorch's SyncBatchNorm.)
Variable shared_batch_norm(const Variable& x, const Variable& residual, const Variable& gamma, const Variable& beta,
                           const Tensor& running_mean, const Tensor& running_var, const BatchNormParams& params,
                           const BatchShares& shares, const Tensor& statistics = {});

}  // namespace tessera
