// The convolutions that somebody asks of a table: the three slots only note what they are called with.
#pragma once

#include <string>
#include <vector>

#include "kernels/backend.h"
#include "kernels/vendor/conv2d_problem.h"

namespace tessera::test {

// Puts slots into the table that hand `note` the problem as the overlay would make it.
using NoteConvolution = void (*)(kernels::Stream& stream, const kernels::vendor::Conv2dProblem& problem);
template <NoteConvolution note>
void note_convolutions(kernels::Backend& table) {
  using namespace kernels;
  using namespace kernels::vendor;
  table.conv2d_forward =
      +[](Stream& stream, const Conv2dShape& shape, ConstView x, ConstView, const Conv2dEpilogue& e, View y) {
        note(stream, {.operation = Conv2dOperation::forward,
                      .shape = shape,
                      .type = x.dtype,
                      .result = y.dtype,
                      .scale = static_cast<bool>(e.scale),
                      .shift = static_cast<bool>(e.shift),
                      .residual = static_cast<bool>(e.residual),
                      .activation = e.activation});
      };
  table.conv2d_backward_data = +[](Stream& stream, const Conv2dShape& shape, ConstView dy, ConstView, Gradient dx) {
    note(stream, {.operation = Conv2dOperation::backward_data,
                  .shape = shape,
                  .type = dy.dtype,
                  .result = dx.view.dtype,
                  .accumulate = dx.accumulate});
  };
  table.conv2d_backward_weights = +[](Stream& stream, const Conv2dShape& shape, ConstView x, ConstView, Gradient dw) {
    note(stream, {.operation = Conv2dOperation::backward_weights,
                  .shape = shape,
                  .type = x.dtype,
                  .result = dw.view.dtype,
                  .accumulate = dw.accumulate});
  };
}

struct NotedProblem {
  std::string name;  // of the case
  kernels::vendor::Conv2dProblem problem;
};

// Those of the slot cases, the benchmark's included, with operands of this type; each once.
std::vector<NotedProblem> convolutions(kernels::DType type);

}  // namespace tessera::test
