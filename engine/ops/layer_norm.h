// Layer normalisation over the last axis.
#pragma once

#include "engine/autograd/variable.h"

namespace tessera {

// y = gamma·(x − mean)/√(var + ε) + beta, with mean and biased variance of each row (last axis) of x.
// x: [..., C], gamma, beta: [C] → [..., C]. Source: Ba, Kiros, Hinton 2016. ShapeError: shapes that differ.
Variable layer_norm(const Variable& x, const Variable& gamma, const Variable& beta, double epsilon = 1e-5);

}  // namespace tessera
