#include "engine/run/answers.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tessera {

std::vector<double> probabilities(std::span<const float> logits) {
  if (logits.size() == 1) {
    const double z = static_cast<double>(logits[0]);
    return {1 / (1 + std::exp(z)), 1 / (1 + std::exp(-z))};
  }
  const double largest = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  std::vector<double> p;
  for (const float z : logits) p.push_back(std::exp(static_cast<double>(z) - largest));
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& value : p) value /= sum;
  return p;
}

std::vector<std::string> output_names(std::vector<std::string> names, std::int64_t classes) {
  for (auto i = static_cast<std::int64_t>(names.size()); i < classes; ++i) names.push_back(std::to_string(i));
  names.resize(static_cast<std::size_t>(classes));
  return names;
}

}  // namespace tessera
