// The activation functions of the reference; formulas in kernels/activation.h.
#pragma once

#include <cmath>
#include <numbers>

#include "kernels/activation.h"

namespace tessera::kernels::reference {

inline double normal_distribution(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }
inline double normal_density(double x) { return std::exp(-0.5 * x * x) * std::numbers::inv_sqrtpi / std::numbers::sqrt2; }

inline double activate(Activation f, double x) {
  switch (f) {
    case Activation::none: return x;
    case Activation::relu: return x > 0 || std::isnan(x) ? x : 0;
    case Activation::sigmoid: return 1 / (1 + std::exp(-x));
    case Activation::gelu: return x * normal_distribution(x);
    case Activation::silu: return x / (1 + std::exp(-x));
  }
  return x;
}

// f'(x) · dy, from v = x where needs_input(f), else from v = y.
inline double activation_gradient(Activation f, double v, double dy) {
  switch (f) {
    case Activation::none: return dy;
    case Activation::relu: return v > 0 ? dy : 0;
    case Activation::sigmoid: return dy * v * (1 - v);
    case Activation::gelu: return dy * (normal_distribution(v) + v * normal_density(v));
    case Activation::silu: return dy * (1 + v / (1 + std::exp(v))) / (1 + std::exp(-v));
  }
  return dy;
}

}  // namespace tessera::kernels::reference
