// Confusion matrix: how often images of one class were taken for another.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tessera {

// Larger matrices say more as lists.
inline constexpr std::size_t most_classes_in_matrix = 24;

class Confusion {
 public:
  explicit Confusion(std::vector<std::string> classes);

  // Logits [n, outputs] row by row: the predicted class is the first of the largest outputs; with one output, class 1 where
  // it is above 0. Outputs beyond the classes (a 1000-way head on ten classes) are counted together as "other".
  void add(std::span<const float> logits, std::span<const std::int32_t> labels);

  const std::vector<std::string>& classes() const { return classes_; }
  std::int64_t count(std::size_t label, std::size_t predicted) const { return counts_[label * columns() + predicted]; }
  std::int64_t total(std::size_t label) const;
  double accuracy(std::size_t label) const;                    // of the images of this class; 0 where there are none
  std::size_t columns() const { return classes_.size() + 1; }  // the last is "other"

  // For people: one row per class, with its accuracy; columns are predictions, or with many classes the commonest mistake.
  std::string table() const;

 private:
  std::string list() const;

  std::vector<std::string> classes_;
  std::vector<std::int64_t> counts_;
};

}  // namespace tessera
