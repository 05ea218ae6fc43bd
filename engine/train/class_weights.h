// How much a sample of each class counts in the training loss: nothing said, a number for each class, or `balanced`, by which
// all classes count alike: weight of a class = images / (classes with images · images of the class), as scikit-learn has it.
//
// The loss of a batch is Σ weight·loss / number of samples (Keras' class_weight; PyTorch's cross_entropy divides by Σ weight
// instead), so that what several processes or micro-batches add up does not depend on who has which label.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera {

struct ClassWeights {
  ClassWeights() {}
  explicit ClassWeights(std::vector<double> numbers) : values(std::move(numbers)) {}
  static ClassWeights all_alike() {
    ClassWeights weights;
    weights.balanced = true;
    return weights;
  }

  bool balanced = false;
  std::vector<double> values;

  bool operator==(const ClassWeights&) const = default;
  explicit operator bool() const { return balanced || !values.empty(); }

  std::string text() const;  // "none", "balanced", "1,0.5,2"
  static std::optional<ClassWeights> parse(std::string_view text);

  // The same as numbers, one for each of `outputs` classes (two where there is one output), of which the data has `known`;
  // classes beyond those, and those without images, weigh 1. UsageError: not a number for each known class.
  ClassWeights resolved(std::span<const std::int32_t> labels, std::int64_t known, std::int64_t outputs) const;
};

}  // namespace tessera
