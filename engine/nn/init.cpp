#include "engine/nn/init.h"

#include <cmath>

namespace tessera {

std::vector<float> initial_values(Init init, Fan fan, std::int64_t count, RandomStream random) {
  std::vector<float> values(static_cast<std::size_t>(count));
  const auto uniform = [&](double limit) {
    for (float& v : values) v = static_cast<float>(limit * (2.0 * random.uniform() - 1.0));
  };
  switch (init) {
    case Init::zeros: break;
    case Init::ones: values.assign(values.size(), 1.0f); break;
    case Init::glorot_uniform: uniform(std::sqrt(6.0 / (fan.in + fan.out))); break;
    case Init::fan_in_uniform: uniform(1.0 / std::sqrt(fan.in)); break;
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
