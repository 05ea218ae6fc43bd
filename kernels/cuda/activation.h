// The activation functions of one element on a device; formulas in kernels/activation.h.
#pragma once

#include "kernels/activation.h"
#include "kernels/cuda/gpu.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

__device__ inline float normal_distribution(float x) { return 0.5f * erfcf(x * -0.70710678118654752f); }

template <Activation f>
__device__ inline float activate(float x) {
  if constexpr (f == Activation::relu) return x < 0.0f ? 0.0f : x;  // not fmaxf, which would swallow a NaN
  if constexpr (f == Activation::sigmoid) return 1.0f / (1.0f + expf(-x));
  if constexpr (f == Activation::gelu) return x * normal_distribution(x);
  if constexpr (f == Activation::silu) return x * activate<Activation::sigmoid>(x);
  return x;
}

// dy · f'(x), from v = x where needs_input(f), else from v = y.
template <Activation f>
__device__ inline float activation_gradient(float v, float dy) {
  if constexpr (f == Activation::relu) return v > 0.0f ? dy : 0.0f;
  if constexpr (f == Activation::sigmoid) return dy * (v * (1.0f - v));
  if constexpr (f == Activation::gelu)
    return dy * (normal_distribution(v) + v * (0.39894228040143268f * expf(-0.5f * v * v)));
  if constexpr (f == Activation::silu) {
    const float s = activate<Activation::sigmoid>(v);
    return dy * (s * (1.0f + v * (1.0f - s)));
  }
  return dy;
}

// body.operator()<f>() for the activation that is only known at run time.
template <class Body>
void with_activation(Activation f, const Body& body) {
  switch (f) {
    case Activation::none: return body.template operator()<Activation::none>();
    case Activation::relu: return body.template operator()<Activation::relu>();
    case Activation::sigmoid: return body.template operator()<Activation::sigmoid>();
    case Activation::gelu: return body.template operator()<Activation::gelu>();
    case Activation::silu: return body.template operator()<Activation::silu>();
  }
}

// In the epilogue of a product: of those whose gradient needs no input.
__device__ inline void activate(Activation f, float (&v)[4]) {
  if (f == Activation::relu)
#pragma unroll
    for (int j = 0; j < 4; ++j) v[j] = activate<Activation::relu>(v[j]);
  if (f == Activation::sigmoid)
#pragma unroll
    for (int j = 0; j < 4; ++j) v[j] = activate<Activation::sigmoid>(v[j]);
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
