// Filters that whiten the patches of images: what they give for a set of patches is nearly uncorrelated and of unit size.
#pragma once

#include <span>
#include <vector>

#include "engine/core/tensor.h"

namespace tessera {

// The patches of kernel × kernel cells of all images, stride 1, each a vector of D = kernel²·C values; their second moments
// PᵀP/(number of patches), the mean not subtracted, have eigenvalues λ in ascending order and unit eigenvectors v.
//   filter i = v_i/√(λ_i + epsilon) for i < D;  filter D + i = −filter i
// The largest component of v is positive, so that the result does not depend on who solves. In double (Eigen).
// images: [N,H,W,C] → [2D, kernel, kernel, C]. ShapeError: no patches.
// Source: Jordan 2024, arXiv 2404.00498, section 3.1, after Page 2018, "How to train your ResNet".
std::vector<float> whitening_filters(std::span<const float> images, const Shape& shape, std::int64_t kernel, double epsilon);

}  // namespace tessera
