// The convolutions that slot cases ask for: each case runs on a table that notes what it is called with.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "kernels/vendor/conv2d_problem.h"

namespace tessera::test {

struct NotedProblem {
  std::string name;  // of the case
  kernels::vendor::Conv2dProblem problem;
};

// Every convolution case, the benchmark's included, with operands of this type; each once.
std::vector<NotedProblem> convolutions(kernels::DType type);

}  // namespace tessera::test
