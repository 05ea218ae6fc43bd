#include "engine/report/report.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/report/chart.h"
#include "engine/report/html.h"
#include "engine/report/matrix.h"
#include "engine/report/png.h"
#include "engine/report/style.h"
#include "engine/report/text.h"

namespace tessera {
namespace {

std::string section(const std::string& title, const std::string& note, const std::string& body) {
  return "<section><header><h2>" + escape_html(title) + "</h2>" +
         (note.empty() ? "" : "<p class=\"note\">" + escape_html(note) + "</p>") + "</header>\n" + body + "</section>\n";
}

std::string figures(const std::vector<ReportFigure>& list) {
  std::string html;
  for (const ReportFigure& figure : list)
    html += "<div><dt>" + escape_html(figure.name) + "</dt><dd>" + escape_html(figure.value) +
            (figure.note.empty() ? "" : "<small>" + escape_html(figure.note) + "</small>") + "</dd></div>\n";
  return "<dl class=\"figures\">\n" + html + "</dl>\n";
}

std::string curves(const ReportData& data) {
  std::vector<double> x;
  for (const ReportRow& row : data.history) x.push_back(row.epoch);
  const bool validated =
      std::any_of(data.history.begin(), data.history.end(), [](const ReportRow& row) { return row.validation.has_value(); });
  const auto chart = [&](const char* title, double ReportScores::*score, bool percent) {
    Chart c{.title = title, .x_name = "epoch", .percent = percent, .x = x, .series = {{"training", "train", {}}}};
    for (const ReportRow& row : data.history) c.series[0].values.push_back(row.train.*score);
    if (validated) {
      c.series.push_back({"validation", "validation", {}});
      for (const ReportRow& row : data.history)
        c.series[1].values.push_back(row.validation ? (*row.validation).*score : std::numeric_limits<double>::quiet_NaN());
    }
    return line_chart(c);
  };
  std::string html = chart("Loss", &ReportScores::loss, false) + chart("Accuracy", &ReportScores::accuracy, true);
  if (data.top5) html += chart("Top-5 accuracy", &ReportScores::top5, true);
  return section("Curves", "Training values are means over each epoch, taken while the weights changed.",
                 "<div class=\"charts\">" + html + "</div>");
}

std::string mistakes(const ReportData& data) {
  std::string html;
  for (const ReportMistake& m : data.mistakes)
    html += "<figure title=\"image " + std::to_string(m.index) + "\"><div><img src=\"" + m.image + "\" alt=\"" +
            escape_html(m.label) + "\" width=\"32\" height=\"32\">" +
            (m.heat.empty() ? "" : "<img src=\"" + m.heat + "\" alt=\"\" width=\"32\" height=\"32\">") +
            "</div><figcaption><b>" + name_html(m.predicted) + "</b> <i>" + format_fixed(100 * m.probability, 1) +
            "&#8239;%</i><br>is " + name_html(m.label) + "</figcaption></figure>\n";
  const bool explained =
      std::any_of(data.mistakes.begin(), data.mistakes.end(), [](const ReportMistake& m) { return !m.heat.empty(); });
  const std::string note = with_thousands(data.mistake_count) + " of " + data.evaluated +
                           " are taken for something else; these are the ones it is surest of." +
                           (explained ? " Beside each, what speaks for the wrong class glows (Grad-CAM)." : "");
  return section("Surest mistakes", note,
                 "<div class=\"mistakes" + std::string(explained ? " explained" : "") + "\">\n" + html + "</div>");
}

std::string filters(const ReportData& data) {
  std::string html;
  for (const std::string& image : data.filters) html += "<img src=\"" + image + "\" alt=\"\">";
  return section("First-layer filters", data.filters_note, "<div class=\"filters\">" + html + "</div>");
}

std::string tables(const std::vector<ReportTable>& list) {
  std::string html;
  for (const ReportTable& table : list) {
    html += "<div class=\"sheet\"><h3>" + escape_html(table.title) + "</h3><table>";
    for (const auto& [name, value] : table.rows)
      html += "<tr><th>" + escape_html(name) + "</th><td>" + escape_html(value) + "</td></tr>";
    html += "</table></div>\n";
  }
  return section("How it was trained", "", "<div class=\"sheets\">\n" + html + "</div>");
}

std::string history(const ReportData& data) {
  const auto percent = [](double value) { return std::isfinite(value) ? format_fixed(100 * value, 2) : "–"; };
  const auto loss = [](double value) { return std::isfinite(value) ? format_fixed(value, 4) : "–"; };
  std::string html = "<tr><th>epoch<th>loss<th>accuracy<th>val. loss<th>val. accuracy";
  if (data.top5) html += "<th>top-5<th>val. top-5";
  html += "<th>time<th>images/s</tr>\n";
  for (const ReportRow& row : data.history) {
    const auto cell = [&](const std::string& text) { html += "<td>" + text; };
    html += "<tr>";
    cell(format_fixed(row.epoch, std::abs(row.epoch - std::round(row.epoch)) < 1e-9 ? 0 : 2));
    cell(loss(row.train.loss)), cell(percent(row.train.accuracy));
    cell(row.validation ? loss(row.validation->loss) : ""), cell(row.validation ? percent(row.validation->accuracy) : "");
    if (data.top5) cell(percent(row.train.top5)), cell(row.validation ? percent(row.validation->top5) : "");
    cell(format_duration(row.seconds)), cell(with_thousands(std::llround(row.images_per_second)));
    html += "</tr>\n";
  }
  return "<details><summary>All rows of the history</summary><div class=\"wide\"><table class=\"history\">" + html +
         "</table></div></details>\n";
}

}  // namespace

std::string report_html(const ReportData& data) {
  std::string html =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      // The page promises to load nothing; the browser holds it to that.
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src "
      "'unsafe-inline'\">\n";
  html += "<title>" + escape_html(data.title) + " – training report</title>\n<style>" + std::string(report_style()) +
          "</style>\n</head>\n<body>\n<main>\n<header class=\"head\"><h1>" + escape_html(data.title) + "</h1><p>" +
          escape_html(data.subtitle) + "</p></header>\n";
  if (!data.notice.empty()) html += "<p class=\"notice\">" + escape_html(data.notice) + "</p>\n";
  html += figures(data.figures);
  if (!data.history.empty()) html += curves(data);
  if (!data.charts.empty()) {
    std::string charts;
    for (const Chart& chart : data.charts) charts += line_chart(chart);
    html += section("Curves", data.charts_note, "<div class=\"charts\">" + charts + "</div>");
  }
  if (data.confusion) html += section("Classes", confusion_note(*data.confusion), confusion_html(*data.confusion));
  if (!data.mistakes.empty()) html += mistakes(data);
  if (!data.filters.empty()) html += filters(data);
  if (!data.tables.empty()) html += tables(data.tables);
  if (!data.history.empty()) html += history(data);
  return html + "<footer>" + escape_html(data.footer) + "</footer>\n</main>\n</body>\n</html>\n";
}

std::vector<std::string> filter_images(const std::vector<float>& weights, std::int64_t count, std::int64_t height,
                                       std::int64_t width, std::int64_t channels) {
  const auto size = static_cast<std::size_t>(height * width * channels), repeat = 3 / static_cast<std::size_t>(channels);
  std::vector<std::string> images;
  for (std::size_t k = 0; k < static_cast<std::size_t>(count); ++k) {
    const std::span<const float> filter = std::span(weights).subspan(k * size, size);
    float largest = 0;
    for (const float w : filter) largest = std::max(largest, std::abs(w));
    std::vector<std::uint8_t> rgb(repeat * size);
    for (std::size_t i = 0; i < rgb.size(); ++i)
      rgb[i] = static_cast<std::uint8_t>(std::lround(127.5 + (largest > 0 ? 127.5 * filter[i / repeat] / largest : 0)));
    images.push_back(png_data_uri(width, height, rgb));
  }
  return images;
}

}  // namespace tessera
