// Arithmetic of elements, sums and means: what losses and layers of one's own are made of.
#pragma once

#include "engine/autograd/variable.h"

namespace tessera {

// y = a + b and so on, element by element. The operands have one shape, or one of them is spread over the other: a row [C]
// of its last axis, or a single element. The result has the larger shape and that operand's type; of two operands of one
// shape the right one is converted to the left one's type. ShapeError: other shapes.
Variable operator+(const Variable& a, const Variable& b);
Variable operator-(const Variable& a, const Variable& b);
Variable operator*(const Variable& a, const Variable& b);
Variable operator/(const Variable& a, const Variable& b);

// y = alpha·x.
Variable operator*(double alpha, const Variable& x);

// y = x².
inline Variable square(const Variable& x) { return x * x; }

// y = Σ x and y = Σ x / count, over all elements → [1], float32 where x is bf16.
Variable sum(const Variable& x);
Variable mean(const Variable& x);

}  // namespace tessera
