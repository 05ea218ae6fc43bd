// Activation functions: which there are. How each is computed stands in one file per backend: reference/activation.h,
// cpu/isa/activation.h, cuda/activation.h.
//
//            y = f(x)                                 dx = dy · f'(x)
//   relu     max(x, 0); NaN stays NaN                 y > 0 ? dy : 0
//   sigmoid  1/(1 + e^−x)                             dy·y·(1 − y)
//   gelu     x·Φ(x), Φ(x) = ½·erfc(−x/√2)             dy·(Φ(x) + x·φ(x)), φ(x) = e^(−x²/2)/√(2π)
//   silu     x·σ(x), σ the sigmoid                    dy·σ(x)·(1 + x·(1 − σ(x)))
//
// Sources: gelu, in the exact form, and silu: Hendrycks and Gimpel 2016, "Gaussian error linear units".
#pragma once

#include <cstdint>

namespace tessera::kernels {

enum class Activation : std::uint8_t { none, relu, sigmoid, gelu, silu };

struct ActivationEntry {
  Activation activation;
  const char* name;
  bool needs_input;  // its gradient is computed from x; else from y
};

inline constexpr ActivationEntry activations[] = {
    {Activation::none, "none", false}, {Activation::relu, "relu", false}, {Activation::sigmoid, "sigmoid", false},
    {Activation::gelu, "gelu", true},  {Activation::silu, "silu", true},
};

// A gradient from y alone is what lets an activation be fused: nothing else of the product's result is kept.
constexpr bool needs_input(Activation f) { return activations[static_cast<int>(f)].needs_input; }
constexpr const char* name_of(Activation f) { return activations[static_cast<int>(f)].name; }

}  // namespace tessera::kernels
