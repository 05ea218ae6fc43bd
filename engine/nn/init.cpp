#include "engine/nn/init.h"

#include <algorithm>
#include <cmath>

namespace tessera {

namespace {

// The first C filters of [K,R,S,C] become the identity.
void hand_on_channels(std::vector<float>& filters, const Shape& shape) {
  const std::int64_t channels = shape[3], size = shape[1] * shape[2] * channels;
  const std::int64_t centre = (shape[1] / 2 * shape[2] + shape[2] / 2) * channels;
  for (std::int64_t i = 0; i < std::min(channels, shape[0]); ++i) {
    std::fill_n(filters.begin() + i * size, size, 0.0f);
    filters[static_cast<std::size_t>(i * size + centre + i)] = 1.0f;
  }
}

double deviation(const std::vector<float>& values) {
  const auto count = static_cast<double>(values.size());
  double mean = 0, squares = 0;
  for (const float v : values) mean += v / count;
  for (const float v : values) squares += (v - mean) * (v - mean);
  return std::sqrt(squares / (count - 1));
}

}  // namespace

std::vector<float> initial_values(Init init, Fan fan, const Shape& shape, RandomStream random) {
  std::vector<float> values(static_cast<std::size_t>(shape.count()));
  const auto uniform = [&](double limit) {
    for (float& v : values) v = static_cast<float>(limit * (2.0 * random.uniform() - 1.0));
  };
  switch (init) {
    case Init::zeros: break;
    case Init::ones: values.assign(values.size(), 1.0f); break;
    case Init::glorot_uniform: uniform(std::sqrt(6.0 / (fan.in + fan.out))); break;
    case Init::fan_in_uniform: uniform(1.0 / std::sqrt(fan.in)); break;
    case Init::fan_in_uniform_identity:
      uniform(1.0 / std::sqrt(fan.in));
      hand_on_channels(values, shape);
      break;
    case Init::fan_in_uniform_unit: {
      uniform(1.0 / std::sqrt(fan.in));
      const double unit = deviation(values);
      for (float& v : values) v = static_cast<float>(v / unit);
      break;
    }
    case Init::he_normal:
      for (float& v : values) v = static_cast<float>(std::sqrt(2.0 / fan.in) * random.normal());
      break;
    case Init::he_normal_truncated: {
      const double sigma = std::sqrt(2.0 / fan.in) / 0.87962566103423978;  // the std after truncation is √(2/fan_in)
      for (float& v : values) {
        double draw = random.normal();
        while (std::abs(draw) > 2.0) draw = random.normal();
        v = static_cast<float>(sigma * draw);
      }
      break;
    }
  }
  return values;
}

}  // namespace tessera
