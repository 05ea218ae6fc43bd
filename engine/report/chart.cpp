#include "engine/report/chart.h"

#include <algorithm>
#include <cmath>

#include "engine/report/html.h"
#include "engine/report/text.h"

namespace tessera {
namespace {

// Places in the viewBox. It is about as wide as a phone's screen, so that its letters are as large as the page's.
constexpr double width = 400, height = 250, left = 46, right = 390, top = 10, bottom = 214;

// Marks at every point only where they do not run into each other.
constexpr std::size_t most_marks = 40;
// Areas that answer the pointer: no more than there are pixels to aim at.
constexpr std::size_t most_targets = 200;

struct Axis {
  std::vector<double> ticks = {};
  double low = 0, high = 1;  // values at the ends
  double from = 0, to = 1;   // places of the ends
  double at(double value) const { return from + (value - low) / (high - low) * (to - from); }
};

std::string place(double v) { return format_fixed(v, 1); }

// As many decimals as the ticks need to be told apart.
int decimals_of(const std::vector<double>& ticks, double scale) {
  const double step = ticks.size() > 1 ? (ticks[1] - ticks[0]) * scale : 1;
  for (int decimals = 0; decimals < 8; ++decimals) {
    const double shifted = step * std::pow(10, decimals);
    if (shifted > 0.5 && std::abs(shifted - std::round(shifted)) < 1e-6 * shifted) return decimals;
  }
  return 8;
}

std::string value_text(double value, bool percent) {
  if (!std::isfinite(value)) return "–";
  if (percent) return format_fixed(100 * value, 2) + " %";
  return format_fixed(value, std::abs(value) < 0.01 && value != 0 ? 6 : 4);
}

std::string x_text(double x) { return format_fixed(x, std::abs(x - std::round(x)) < 1e-9 ? 0 : 2); }

// "10⁻³"
std::string power_of_ten(double exponent) {
  static constexpr const char* digits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string text = "10";
  for (const char c : std::to_string(std::llround(exponent))) text += c == '-' ? "⁻" : digits[c - '0'];
  return text;
}

Axis x_axis(const Chart& chart) {
  Axis axis{.from = left, .to = right};
  if (chart.x.empty()) return axis;
  axis.low = chart.x.front(), axis.high = chart.x.back();
  if (axis.low == axis.high) axis.low -= 0.5, axis.high += 0.5;
  for (const double tick :
       round_ticks(axis.low, axis.high, 6, chart.decades || chart.x.size() == 1 || axis.high - axis.low >= 1 ? 1 : 0))
    if (tick >= axis.low - 1e-9 && tick <= axis.high + 1e-9) axis.ticks.push_back(tick);
  return axis;
}

Axis y_axis(const Chart& chart) {
  double low = HUGE_VAL, high = -HUGE_VAL;
  for (const Series& series : chart.series)
    for (const double value : series.values)
      if (std::isfinite(value)) low = std::min(low, value), high = std::max(high, value);
  if (low > high) low = 0, high = 1;
  Axis axis{.ticks = round_ticks(low, high, 5), .from = bottom, .to = top};
  if (chart.percent) std::erase_if(axis.ticks, [](double tick) { return tick < -1e-9 || tick > 1 + 1e-9; });
  if (axis.ticks.size() < 2) axis.ticks = {0, 1};
  axis.low = axis.ticks.front(), axis.high = axis.ticks.back();
  return axis;
}

std::string grid(const Chart& chart, const Axis& x, const Axis& y) {
  std::string svg;
  const double scale = chart.percent ? 100 : 1;
  const int y_decimals = decimals_of(y.ticks, scale), x_decimals = decimals_of(x.ticks, 1);
  for (const double tick : y.ticks) {
    const std::string at = place(y.at(tick));
    svg += "<line class=\"grid\" x1=\"" + place(left) + "\" x2=\"" + place(right) + "\" y1=\"" + at + "\" y2=\"" + at +
           "\"/><text class=\"tick\" text-anchor=\"end\" x=\"" + place(left - 8) + "\" y=\"" + place(y.at(tick) + 4) +
           "\">" + format_fixed(tick * scale, y_decimals) + (chart.percent ? "%" : "") + "</text>";
  }
  for (const double tick : x.ticks) {
    const std::string at = place(x.at(tick));
    svg += "<line class=\"axis\" x1=\"" + at + "\" x2=\"" + at + "\" y1=\"" + place(bottom) + "\" y2=\"" +
           place(bottom + 4) + "\"/><text class=\"tick\" text-anchor=\"middle\" x=\"" + at + "\" y=\"" + place(bottom + 17) +
           "\">" + (chart.decades ? power_of_ten(tick) : format_fixed(tick, x_decimals)) + "</text>";
  }
  svg += "<line class=\"axis\" x1=\"" + place(left) + "\" x2=\"" + place(right) + "\" y1=\"" + place(bottom) + "\" y2=\"" +
         place(bottom) + "\"/><text class=\"tick\" text-anchor=\"middle\" x=\"" + place((left + right) / 2) + "\" y=\"" +
         place(bottom + 33) + "\">" + escape_html(chart.x_name) + "</text>";
  return svg;
}

// One path with a move wherever a gap ends. A point alone between gaps has a mark of its own: a line of no length is not
// seen.
std::string curve(const Series& series, const Chart& chart, const Axis& x, const Axis& y) {
  std::string path, marks;
  const std::size_t count = std::min(series.values.size(), chart.x.size());
  const auto finite = [&](std::size_t i) { return i < count && std::isfinite(series.values[i]); };
  for (std::size_t i = 0; i < count; ++i) {
    if (!finite(i)) continue;
    const bool begins = i == 0 || !finite(i - 1);
    const std::string px = place(x.at(chart.x[i])), py = place(y.at(series.values[i]));
    path += (begins ? "M" : "L") + px + " " + py;
    if (count <= most_marks || (begins && !finite(i + 1)))
      marks += "<circle class=\"mark\" cx=\"" + px + "\" cy=\"" + py + "\" r=\"" + (count < 3 ? "4" : "2.6") + "\"/>";
  }
  return "<g class=\"" + series.style + "\"><path class=\"curve\" d=\"" + path + "\"/>" + marks + "</g>";
}

// Bands that cover the chart from left to right; resting on one shows its point and, as the band's title, its values.
std::string targets(const Chart& chart, const Axis& x, const Axis& y) {
  std::string svg;
  const std::size_t count = chart.x.size(), stride = (count + most_targets - 1) / most_targets;
  for (std::size_t i = 0; i < count; i += stride) {
    const double at = x.at(chart.x[i]);
    const double begin = i == 0 ? left : (x.at(chart.x[i - stride]) + at) / 2;
    const double end = i + stride >= count ? right : (x.at(chart.x[i + stride]) + at) / 2;
    std::string title = chart.x_name + " " + (chart.decades ? two_digits(std::pow(10, chart.x[i])) : x_text(chart.x[i])),
                points;
    for (const Series& series : chart.series) {
      if (i >= series.values.size()) continue;
      title += "\n" + series.name + " " + value_text(series.values[i], chart.percent);
      if (std::isfinite(series.values[i]))
        points += "<circle class=\"point " + series.style + "\" cx=\"" + place(at) + "\" cy=\"" +
                  place(y.at(series.values[i])) + "\" r=\"4\"/>";
    }
    svg += "<g class=\"target\"><title>" + escape_html(title) + "</title><rect x=\"" + place(begin) + "\" y=\"" +
           place(top) + "\" width=\"" + place(std::max(end - begin, 0.0)) + "\" height=\"" + place(bottom - top) +
           "\"/><line class=\"guide\" x1=\"" + place(at) + "\" x2=\"" + place(at) + "\" y1=\"" + place(top) + "\" y2=\"" +
           place(bottom) + "\"/>" + points + "</g>";
  }
  return svg;
}

std::string legend(const Chart& chart) {
  std::string html;
  for (const Series& series : chart.series) {
    html += "<span class=\"key " + series.style + "\">" + escape_html(series.name);
    if (!series.values.empty() && !chart.decades) html += " <b>" + value_text(series.values.back(), chart.percent) + "</b>";
    html += "</span>";
  }
  return html;
}

}  // namespace

std::vector<double> round_ticks(double low, double high, int count, double smallest_step) {
  if (low == high) {
    const double around = low == 0 ? 1 : std::abs(low) * 0.1;
    low -= around, high += around;
  }
  const double raw = std::max((high - low) / std::max(count - 1, 1), smallest_step);
  const double power = std::pow(10, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.5, 2.0, 1.0})
    if (factor * power >= raw * (1 - 1e-9) && (smallest_step < 1 || factor != 2.5 || power > 1)) step = factor * power;
  std::vector<double> ticks = {};
  const double first = std::floor(low / step + 1e-9), last = std::ceil(high / step - 1e-9);
  for (double i = first; i <= last; ++i) ticks.push_back(i * step);
  return ticks;
}

std::string line_chart(const Chart& chart) {
  const Axis x = x_axis(chart), y = y_axis(chart);
  std::string html = "<figure class=\"chart\"><figcaption><h3>" + escape_html(chart.title) + "</h3><div class=\"keys\">" +
                     legend(chart) + "</div></figcaption>";
  html += "<svg viewBox=\"0 0 " + format_fixed(width, 0) + " " + format_fixed(height, 0) + "\" role=\"img\" aria-label=\"" +
          escape_html(chart.title) + "\">" + grid(chart, x, y);
  for (const Series& series : chart.series) html += curve(series, chart, x, y);
  return html + targets(chart, x, y) + "</svg></figure>\n";
}

}  // namespace tessera
