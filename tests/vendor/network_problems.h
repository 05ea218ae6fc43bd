// What a training step of a network asks of the slots that the overlay replaces: the step runs on a table whose kernels do
// nothing but note what they are called with.
#pragma once

#include <string>
#include <vector>

#include "kernels/vendor/batch_norm_problem.h"
#include "kernels/vendor/conv2d_problem.h"
#include "kernels/vendor/max_pool_problem.h"

namespace tessera::test {

struct NetworkProblems {
  std::vector<kernels::vendor::Conv2dProblem> convolutions;
  // As the slots ask for them, before the overlay takes ReLU and residual out of a backward pass.
  std::vector<kernels::vendor::BatchNormProblem> batch_norms;
  std::vector<kernels::vendor::MaxPoolProblem> poolings;
  int gradients_added = 0;  // of batch norms and poolings: gradients that were to be added to what is there
};

// A step of forward, loss and backward, with activations of `type`, on `batch` images of the network's size.
NetworkProblems network_problems(const std::string& id, kernels::DType type, std::int64_t batch);

}  // namespace tessera::test
