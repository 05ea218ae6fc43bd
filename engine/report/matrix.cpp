#include "engine/report/matrix.h"

#include <algorithm>

#include "engine/report/html.h"
#include "engine/report/text.h"

namespace tessera {
namespace {

constexpr std::size_t commonest_in_list = 30;

struct Confused {
  std::size_t label, predicted;
  std::int64_t count;
};

std::string name_of(const Confusion& c, std::size_t column) {
  return column < c.classes().size() ? c.classes()[column] : "other";
}

// The commonest first; equally common ones in the order of the matrix.
std::vector<Confused> commonest(const Confusion& c, std::size_t limit) {
  std::vector<Confused> all;
  for (std::size_t i = 0; i < c.classes().size(); ++i)
    for (std::size_t j = 0; j < c.columns(); ++j)
      if (i != j && c.count(i, j) > 0) all.push_back({i, j, c.count(i, j)});
  std::stable_sort(all.begin(), all.end(), [](const Confused& a, const Confused& b) { return a.count > b.count; });
  if (all.size() > limit) all.resize(limit);
  return all;
}

double share(const Confusion& c, std::size_t i, std::size_t j) {
  return c.total(i) > 0 ? static_cast<double>(c.count(i, j)) / static_cast<double>(c.total(i)) : 0;
}

// A cell's strength is its share of the row: the diagonal on a scale up to 1, mistakes on one up to the largest mistake, or
// they would all be pale.
std::string matrix(const Confusion& c) {
  const std::size_t classes = c.classes().size();
  double largest = 0, other = 0;
  for (std::size_t i = 0; i < classes; ++i)
    for (std::size_t j = 0; j < c.columns(); ++j) {
      if (i != j) largest = std::max(largest, share(c, i, j));
      if (j == classes) other += static_cast<double>(c.count(i, j));
    }
  const std::size_t columns = other > 0 ? c.columns() : classes;

  std::string html = "<div class=\"wide\"><table class=\"matrix\"><thead><tr><th class=\"corner\">true \\ predicted</th>";
  for (std::size_t j = 0; j < columns; ++j) html += "<th><span>" + name_html(name_of(c, j)) + "</span></th>";
  html += "</tr></thead><tbody>\n";
  for (std::size_t i = 0; i < classes; ++i) {
    html += "<tr><th>" + name_html(c.classes()[i]) + "</th>";
    for (std::size_t j = 0; j < columns; ++j) {
      const double strength = i == j ? share(c, i, j) : largest > 0 ? 0.85 * share(c, i, j) / largest : 0;
      html += std::string("<td class=\"") + (i == j ? "right" : "wrong") + (i == j && strength > 0.8 ? " strong" : "") +
              "\" style=\"--v:" + format_fixed(strength, 2) + "\" title=\"" + escape_html(c.classes()[i]) + " taken for " +
              escape_html(name_of(c, j)) + ": " + with_thousands(c.count(i, j)) + " of " + with_thousands(c.total(i)) +
              "\">" + (c.count(i, j) ? std::to_string(c.count(i, j)) : "·") + "</td>";
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>";
}

std::string list(const Confusion& c) {
  std::string html = "<table class=\"bars\">";
  for (const Confused& pair : commonest(c, commonest_in_list))
    html += "<tr><th>" + name_html(name_of(c, pair.label)) + " → " + name_html(name_of(c, pair.predicted)) + "</th><td>" +
            with_thousands(pair.count) + "</td></tr>\n";
  return html + "</table>";
}

std::string accuracies(const Confusion& c) {
  std::string html = "<table class=\"bars\">";
  for (std::size_t i = 0; i < c.classes().size(); ++i)
    html += "<tr title=\"" + with_thousands(c.count(i, i)) + " of " + with_thousands(c.total(i)) + "\"><th>" +
            name_html(c.classes()[i]) +
            "</th><td class=\"bar\"><span style=\"width:" + format_fixed(100 * c.accuracy(i), 1) + "%\"></span></td><td>" +
            (c.total(i) > 0 ? format_fixed(100 * c.accuracy(i), 1) + "&#8239;%" : "–") + "</td></tr>\n";
  return html + "</table>";
}

}  // namespace

std::string confusion_html(const Confusion& c) {
  return "<div class=\"classes\"><div><h3>Confusion matrix</h3>" +
         (c.classes().size() <= most_classes_in_matrix ? matrix(c) : list(c)) + "</div><div><h3>Accuracy per class</h3>" +
         accuracies(c) + "</div></div>";
}

std::string confusion_note(const Confusion& c) {
  std::string names;
  for (const Confused& pair : commonest(c, 3))
    names += (names.empty() ? "" : ", ") + shortened(name_of(c, pair.label)) + " for " +
             shortened(name_of(c, pair.predicted)) + " (" + with_thousands(pair.count) + ")";
  return names.empty() ? "Nothing is confused." : "Most often mistaken: " + names + ".";
}

}  // namespace tessera
