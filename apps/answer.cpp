#include "apps/answer.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "engine/report/text.h"
#include "engine/run/answers.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const ExplainedClass& explained, const std::vector<std::string>& names) {
  Json map = Json::array();
  for (std::int64_t row = 0; row < explained.rows; ++row) {
    const std::span<const float> cells = explained.values.subspan(static_cast<std::size_t>(row * explained.columns),
                                                                  static_cast<std::size_t>(explained.columns));
    map.push_back(std::vector<float>(cells.begin(), cells.end()));
  }
  return {{"class", names[explained.label]}, {"layer", explained.layer}, {"map", std::move(map)}};
}

}  // namespace

Answer::Answer(std::string of, std::span<const float> logits)
    : image(std::move(of)),
      predicted(logits.size() == 1
                    ? std::size_t{logits[0] > 0}
                    : static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin())),
      probabilities(tessera::probabilities(logits)) {}

void Answer::print(const std::vector<std::string>& names, std::int64_t top, const Console& console) const {
  const std::vector<double>& p = probabilities;
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] > p[b]; });
  order.resize(std::min(order.size(), static_cast<std::size_t>(top)));

  console.result(image + ": " + (true_class ? "true " + *true_class + ", predicted " + names[predicted] : names[predicted]));
  std::vector<std::vector<std::string>> rows;
  Json best = Json::array();
  for (const std::size_t label : order) {
    rows.push_back({" ", names[label], format_fixed(p[label], 4), progress_bar(std::llround(p[label] * 1000), 1000, 24)});
    best.push_back({{"label", label}, {"class", names[label]}, {"probability", p[label]}});
  }
  std::string table = format_table(rows, "llrl");
  table.pop_back();  // its line end: result() adds one
  console.result(table);
  Json object = {
      {"image", image}, {"label", predicted}, {"class", names[predicted]}, {"probability", p[predicted]}, {"top", best}};
  if (true_class) object["true_class"] = *true_class;
  if (explained) object["explained"] = json_of(*explained, names);
  console.object(object.dump(-1, ' ', false, Json::error_handler_t::replace));
}

CsvRow Answer::row(const std::vector<std::string>& names) const {
  CsvRow cells{image};
  if (true_class) cells.push_back(*true_class);
  cells.insert(cells.end(), {std::to_string(predicted), names[predicted], csv_number(probabilities[predicted])});
  for (const double p : probabilities) cells.push_back(csv_number(p));
  return cells;
}

CsvRow Answer::columns(const std::vector<std::string>& names, bool with_true_class) {
  CsvRow cells{"image"};
  if (with_true_class) cells.push_back("true_class");
  cells.insert(cells.end(), {"label", "class", "probability"});
  cells.insert(cells.end(), names.begin(), names.end());
  return cells;
}

}  // namespace tessera
