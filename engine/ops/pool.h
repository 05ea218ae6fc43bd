// Pooling of N,H,W,C images.
#pragma once

#include "engine/autograd/variable.h"
#include "engine/ops/padding.h"

namespace tessera {

struct Pool2dOptions {
  std::int64_t window = 2;
  std::int64_t stride = 2;
  Padding padding = Padding::none();
};

// y[n,p,q,c] = max over the window's cells inside x. On ties the gradient goes to the first maximum in row-major window
// order. [N,H,W,C] → [N,P,Q,C] with P, Q by window_axis(). ShapeError: wrong rank, a window larger than the padded image.
Variable max_pool(const Variable& x, const Pool2dOptions& options);

struct AveragePool2dOptions : Pool2dOptions {
  bool count_padding = false;  // divide by all cells of the window (PyTorch's default), not by those inside x (Keras)
};

// y[n,p,q,c] = mean over the window's cells inside x; otherwise as max_pool. ShapeError too: a window outside x.
Variable average_pool(const Variable& x, const AveragePool2dOptions& options);

// y[n,c] = mean over H×W of x[n,h,w,c];  [N,H,W,C] → [N,C].
Variable global_average_pool(const Variable& x);

}  // namespace tessera
