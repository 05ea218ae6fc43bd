// predict's answer about one image, in words, as JSON and as a row of a table.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/files/csv.h"
#include "engine/run/console.h"

namespace tessera {

// The maps of one image that an explanation is made of (nn/grad_cam.h).
struct ExplainedClass {
  std::size_t label = 0;
  std::string layer;
  std::int64_t rows = 0, columns = 0;
  std::span<const float> values = {};
};

struct Answer {
  // Of the network's outputs for an image. The class is the largest output (the first on ties), also where probabilities
  // round to the same number.
  Answer(std::string image, std::span<const float> logits);

  std::string image;
  std::optional<std::string> true_class = {};
  std::size_t predicted = 0;
  std::vector<double> probabilities = {};  // by class
  std::optional<ExplainedClass> explained = {};

  // The likeliest classes with their probabilities; names: of all classes.
  void print(const std::vector<std::string>& names, std::int64_t top, const Console& console) const;
  // image, [true_class,] label, class, probability and the probability of each class. The columns' names beside it.
  CsvRow row(const std::vector<std::string>& names) const;
  static CsvRow columns(const std::vector<std::string>& names, bool with_true_class);
};

}  // namespace tessera
