// Gradient cases: every differentiable op once in each of its forms, as a function of named inputs. One table for the
// central differences (float64, reference) and for the agreement of the other backends with it (float32).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/autograd/variable.h"
#include "engine/train/batches.h"

namespace tessera::test {

struct CaseInput {
  const char* name;
  Shape shape;
  double offset = 0, scale = 1;  // values: offset + scale · normal
};

// What a case may need besides its inputs, on the device it runs on.
struct CaseContext {
  std::shared_ptr<Device> device;
  DType dtype;
  const kernels::StepState* state;  // device memory: step 3

  Tensor constant(const Shape& shape, double value) const;
  Tensor labels(const std::vector<std::int32_t>& values) const;
};

struct GradientCase {
  std::string name;
  std::vector<CaseInput> inputs;  // all of them require a gradient
  std::function<Variable(const std::vector<Variable>&, const CaseContext&)> apply;
};

std::vector<GradientCase> gradient_cases();

// Values of a case's inputs: the same on every backend.
std::vector<std::vector<double>> input_values(const GradientCase& gradient_case);

// The output, and the gradients of Σ weight_i·output_i with fixed weights, by input.
struct CaseResult {
  std::vector<double> output;
  double loss = 0;
  std::vector<std::vector<double>> gradients = {};  // empty where `gradients_wanted` was false
};
CaseResult run(const GradientCase& gradient_case, const std::vector<std::vector<double>>& inputs,
               const std::shared_ptr<Device>& device, DType dtype, bool gradients_wanted = true);

// Σ weight_i·x_i with weights from a fixed stream, computed on the host: makes a scalar of any output.
Variable weighted_sum(const Variable& x);

}  // namespace tessera::test
