#include "engine/report/confusion.h"

#include <algorithm>

#include "engine/report/text.h"

namespace tessera {

Confusion::Confusion(std::vector<std::string> classes)
    : classes_(std::move(classes)), counts_(classes_.size() * (classes_.size() + 1)) {}

void Confusion::add(std::span<const float> logits, std::span<const std::int32_t> labels) {
  const std::size_t outputs = labels.empty() ? 0 : logits.size() / labels.size();
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto row = logits.subspan(i * outputs, outputs);
    std::size_t predicted = outputs == 1 ? (row[0] > 0 ? 1 : 0)
                                         : static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin());
    predicted = std::min(predicted, classes_.size());
    ++counts_[static_cast<std::size_t>(labels[i]) * columns() + predicted];
  }
}

std::int64_t Confusion::total(std::size_t label) const {
  std::int64_t sum = 0;
  for (std::size_t j = 0; j < columns(); ++j) sum += count(label, j);
  return sum;
}

double Confusion::accuracy(std::size_t label) const {
  const std::int64_t all = total(label);
  return all > 0 ? static_cast<double>(count(label, label)) / static_cast<double>(all) : 0;
}

std::string Confusion::list() const {
  std::vector<std::vector<std::string>> rows{{"class", "images", "accuracy", "most often taken for"}, {}};
  for (std::size_t i = 0; i < classes_.size(); ++i) {
    std::size_t worst = i;
    for (std::size_t j = 0; j < columns(); ++j)
      if (j != i && (worst == i ? count(i, j) > 0 : count(i, j) > count(i, worst))) worst = j;
    const std::string mistake = worst == i ? "" : worst < classes_.size() ? shortened(classes_[worst]) : "other";
    rows.push_back({shortened(classes_[i]), std::to_string(total(i)), total(i) > 0 ? format_fixed(accuracy(i), 4) : "–",
                    mistake.empty() ? "" : mistake + " (" + std::to_string(count(i, worst)) + ")"});
  }
  return format_table(rows, "lrrl");
}

std::string Confusion::table() const {
  if (classes_.size() > most_classes_in_matrix) return list();
  const bool any_other = std::any_of(classes_.begin(), classes_.end(), [&, i = std::size_t{0}](const std::string&) mutable {
    return count(i++, classes_.size()) > 0;
  });
  std::vector<std::string> head{"true \\ predicted"};
  for (const std::string& name : classes_) head.push_back(shortened(name));
  if (any_other) head.push_back("other");
  head.push_back("accuracy");
  std::vector<std::vector<std::string>> rows{head, {}};
  for (std::size_t i = 0; i < classes_.size(); ++i) {
    std::vector<std::string> row{shortened(classes_[i])};
    for (std::size_t j = 0; j < classes_.size() + (any_other ? 1 : 0); ++j)
      row.push_back(count(i, j) ? std::to_string(count(i, j)) : "·");
    row.push_back(total(i) > 0 ? format_fixed(accuracy(i), 4) : "–");
    rows.push_back(std::move(row));
  }
  return format_table(rows, "l" + std::string(head.size() - 1, 'r'));
}

}  // namespace tessera
