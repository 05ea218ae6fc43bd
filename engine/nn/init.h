// Initial values of parameters: the families of Keras, PyTorch and Paddle.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/core/random.h"
#include "engine/core/tensor.h"

namespace tessera {

// fan_in = inputs that one output sees (k·k·C or in), fan_out = outputs that one input feeds (k·k·K or out).
struct Fan {
  double in = 0, out = 0;
};

enum class Init : std::uint8_t {
  zeros,
  ones,
  glorot_uniform,       // U(−a, a), a = √(6/(fan_in + fan_out)); Glorot & Bengio 2010; Keras' default
  he_normal_truncated,  // Keras' he_normal: normal of σ' = √(2/fan_in)/0.87962566103423978, redrawn beyond ±2σ'
  he_normal,            // normal of σ = √(2/fan_in), not truncated; He et al. 2015; Paddle's convolutions
  fan_in_uniform,       // U(−a, a), a = 1/√fan_in; PyTorch's default for weights and biases
  // fan_in_uniform, and then (Jordan 2024, arXiv 2404.00498):
  fan_in_uniform_identity,  // of filters: the first C of them hand the C channels on: filter i is 1 at the centre of channel i
  fan_in_uniform_unit,      // divided by the standard deviation (unbiased) of the values drawn
};

// The values of a parameter of that shape (filters K,R,S,C), drawn from `random`. Constants draw nothing.
std::vector<float> initial_values(Init init, Fan fan, const Shape& shape, RandomStream random);

// Which rule each kind of parameter follows (networks of one framework agree).
struct InitFamily {
  Init conv_weight, conv_bias, linear_weight, linear_bias;
};
inline constexpr InitFamily tf_keras_init{Init::glorot_uniform, Init::zeros, Init::glorot_uniform, Init::zeros};
inline constexpr InitFamily keras3_init{Init::he_normal_truncated, Init::zeros, Init::glorot_uniform, Init::zeros};
inline constexpr InitFamily pytorch_init{Init::fan_in_uniform, Init::fan_in_uniform, Init::fan_in_uniform,
                                         Init::fan_in_uniform};
inline constexpr InitFamily paddle_init{Init::he_normal, Init::zeros, Init::glorot_uniform, Init::zeros};

}  // namespace tessera
