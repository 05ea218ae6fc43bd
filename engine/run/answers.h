// What a network's outputs for one image mean.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tessera {

// Softmax of the logits, or with one output the sigmoid: classes 0 and 1 then have 1 − p and p.
std::vector<double> probabilities(std::span<const float> logits);

// How many classes so many outputs tell apart.
inline std::int64_t classes_of(std::int64_t outputs) { return outputs == 1 ? 2 : outputs; }

// One name for each class: those given, numbers beyond them.
std::vector<std::string> output_names(std::vector<std::string> names, std::int64_t classes);

}  // namespace tessera
