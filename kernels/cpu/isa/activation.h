// The activation functions on vectors; formulas in kernels/activation.h.
//
// Each is a struct: forward(x), and backward(v, dy) with v = x where needs_input, else v = y. relu is bound by memory,
// sigmoid costs about 20 operations an element, two of them a division's worth, gelu about 30 and backwards 45.
#pragma once

#include "kernels/activation.h"
#include "kernels/cpu/isa/simd.h"

namespace tessera::kernels::cpu::isa {
namespace {

struct NoActivation {
  template <class T>
  static TESSERA_INLINE T forward(T x) {
    return x;
  }
  template <class T>
  static TESSERA_INLINE T backward(T, T dy) {
    return dy;
  }
};

struct Relu {
  template <class T>
  static TESSERA_INLINE T forward(T x) {
    return x < 0 ? T{} : x;  // NaN < 0 is false: NaN stays
  }
  template <class T>
  static TESSERA_INLINE T backward(T y, T dy) {
    return y > 0 ? dy : T{};
  }
};

struct Sigmoid {
  // Beyond ±87 it is 1 or (almost) 0 in float32 anyway. NaN stays NaN.
  template <class T>
  static TESSERA_INLINE T forward(T x) {
    const T bounded = x > 87.0f ? splat<T>(87.0f) : (x < -87.0f ? splat<T>(-87.0f) : x);
    return 1.0f / (1.0f + exp_bounded(-bounded));
  }
  template <class T>
  static TESSERA_INLINE T backward(T y, T dy) {
    return dy * y * (1.0f - y);
  }
};

struct Gelu {
  // Φ(x) by the complementary error function of z = |x|/√2: erfc(z) = t·e^(P(t) − z²), t = 1/(1 + z/2), with P the
  // polynomial of degree 9 that agrees with ln(erfc(z)·e^(z²)/t) in the ten Chebyshev nodes of 0.17 ≤ t ≤ 1 (z ≤ 9.4, where
  // erfc leaves float32): the error stays below 5·10⁻⁸ of erfc, tails included.
  template <class T>
  static TESSERA_INLINE T distribution(T x) {
    const T z = (x < 0 ? -x : x) * 0.70710678118654752f, t = 1.0f / (1.0f + 0.5f * z);
    T p = splat<T>(0.1421815f);
    p = p * t - 0.665614483f;
    p = p * t + 1.12025094f;
    p = p * t - 0.646610595f;
    p = p * t - 0.122402989f;
    p = p * t + 0.0243146142f;
    p = p * t + 0.0264981413f;
    p = p * t + 0.388400631f;
    p = p * t + 0.998419303f;
    p = p * t - 1.26543702f;
    const T exponent = p - z * z;
    const T tail = 0.5f * t * exp_bounded(exponent < -87.0f ? splat<T>(-87.0f) : exponent);
    return x < 0 ? tail : 1.0f - tail;
  }
  template <class T>
  static TESSERA_INLINE T forward(T x) {
    return x * distribution(x);
  }
  template <class T>
  static TESSERA_INLINE T backward(T x, T dy) {
    const T exponent = -0.5f * x * x;
    const T density = 0.39894228040143268f * exp_bounded(exponent < -87.0f ? splat<T>(-87.0f) : exponent);
    return dy * (distribution(x) + x * density);
  }
};

struct Silu {
  template <class T>
  static TESSERA_INLINE T forward(T x) {
    return x * Sigmoid::forward(x);
  }
  template <class T>
  static TESSERA_INLINE T backward(T x, T dy) {
    const T s = Sigmoid::forward(x);
    return dy * s * (1.0f + x * (1.0f - s));
  }
};

// visit(Relu{}) and so on.
template <class Visit>
TESSERA_INLINE void with_activation(Activation f, const Visit& visit) {
  switch (f) {
    case Activation::none: return visit(NoActivation{});
    case Activation::relu: return visit(Relu{});
    case Activation::sigmoid: return visit(Sigmoid{});
    case Activation::gelu: return visit(Gelu{});
    case Activation::silu: return visit(Silu{});
  }
}

// In the epilogue of a product: of those whose gradient needs no input, so that the loops around it stay small.
template <class T>
TESSERA_INLINE T activate(T x, Activation f) {
  if (f == Activation::relu) return Relu::forward(x);
  if (f == Activation::sigmoid) return Sigmoid::forward(x);
  return x;
}

}  // namespace
}  // namespace tessera::kernels::cpu::isa
