#include "engine/nn/whitening.h"

#include <Eigen/Eigenvalues>

#include "engine/core/error.h"

namespace tessera {
namespace {

// Σ patch·patchᵀ over all patches; a patch in the order of filters: row, column, channel.
Eigen::MatrixXd second_moments(std::span<const float> images, const Shape& shape, std::int64_t kernel) {
  const std::int64_t height = shape[1], width = shape[2], channels = shape[3];
  const std::int64_t across = kernel * channels, size = kernel * across, row = width * channels;
  Eigen::MatrixXd sums = Eigen::MatrixXd::Zero(size, size);
  Eigen::MatrixXd patches(size, width - kernel + 1);  // of one row of windows
  for (std::int64_t top = 0; top < shape[0] * height; ++top) {
    if (top % height > height - kernel) continue;
    for (std::int64_t left = 0; left <= width - kernel; ++left)
      for (std::int64_t i = 0; i < kernel; ++i)
        for (std::int64_t j = 0; j < across; ++j)
          patches(i * across + j, left) = images[static_cast<std::size_t>((top + i) * row + left * channels + j)];
    sums.selfadjointView<Eigen::Lower>().rankUpdate(patches);
  }
  return sums;
}

}  // namespace

std::vector<float> whitening_filters(std::span<const float> images, const Shape& shape, std::int64_t kernel,
                                     double epsilon) {
  const std::int64_t down = shape[1] - kernel + 1, across = shape[2] - kernel + 1;
  if (shape[0] < 1 || down < 1 || across < 1)
    throw ShapeError("[whitening] images " + to_string(shape) + " have no patches of " + std::to_string(kernel) + " by " +
                     std::to_string(kernel) + " cells");
  const Eigen::MatrixXd sums = second_moments(images, shape, kernel);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(sums / static_cast<double>(shape[0] * down * across));
  const Eigen::Index size = sums.rows();
  std::vector<float> filters(static_cast<std::size_t>(2 * size * size));
  for (Eigen::Index i = 0; i < size; ++i) {
    Eigen::VectorXd filter = solver.eigenvectors().col(i) / std::sqrt(std::max(solver.eigenvalues()(i), 0.0) + epsilon);
    Eigen::Index largest = 0;
    filter.cwiseAbs().maxCoeff(&largest);
    if (filter(largest) < 0) filter = -filter;
    for (Eigen::Index j = 0; j < size; ++j) {
      filters[static_cast<std::size_t>(i * size + j)] = static_cast<float>(filter(j));
      filters[static_cast<std::size_t>((size + i) * size + j)] = static_cast<float>(-filter(j));
    }
  }
  return filters;
}

}  // namespace tessera
