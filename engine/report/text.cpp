#include "engine/report/text.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/core/foreign_text.h"

namespace tessera {

std::string with_thousands(std::int64_t number) {
  std::string digits = std::to_string(number < 0 ? -number : number);
  for (std::int64_t at = static_cast<std::int64_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), ",");
  return number < 0 ? "-" + digits : digits;
}

std::string format_duration(double seconds) {
  char text[32];
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  if (seconds < 59.95) {
    std::snprintf(text, sizeof text, "%.1fs", seconds);
    return text;
  }
  const auto whole = static_cast<long long>(std::llround(seconds));
  if (whole < 3600)
    std::snprintf(text, sizeof text, "%lld:%02lld", whole / 60, whole % 60);
  else
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
  return text;
}

std::string two_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", value);
  return text;
}

std::string format_fixed(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string format_flops(double flops) {
  const char* units[] = {"FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP"};
  int unit = 0;
  while (flops >= 1000 && unit < 4) flops /= 1000, ++unit;
  return format_fixed(flops, unit == 0 ? 0 : 2) + " " + units[unit];
}

std::string progress_bar(std::int64_t done, std::int64_t total, int width) {
  const std::int64_t filled = total > 0 ? std::clamp<std::int64_t>(done * width / total, 0, width) : 0;
  std::string bar;
  for (int i = 0; i < width; ++i) bar += i < filled ? "━" : "─";
  return bar;
}

std::size_t display_width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string shortened(const std::string& name) {
  constexpr std::size_t most = 24;
  if (display_width(name) <= most) return name;
  std::string_view rest = name;
  for (std::size_t i = 0; i + 1 < most; ++i) rest.remove_prefix(first_character(rest).size);
  return name.substr(0, name.size() - rest.size()) + "…";
}

std::string format_table(const std::vector<std::vector<std::string>>& rows, const std::string& right_aligned) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i >= widths.size()) widths.push_back(0);
      widths[i] = std::max(widths[i], display_width(row[i]));
    }
  std::size_t total = widths.empty() ? 0 : 2 * (widths.size() - 1);
  for (const std::size_t width : widths) total += width;

  std::string text;
  for (const auto& row : rows) {
    if (row.empty()) {
      for (std::size_t i = 0; i < total; ++i) text += "─";
    } else {
      std::string line;
      for (std::size_t i = 0; i < row.size(); ++i) {
        const std::string pad(widths[i] - display_width(row[i]), ' ');
        const bool right = i < right_aligned.size() && right_aligned[i] == 'r';
        line += (i ? "  " : "") + (right ? pad + row[i] : row[i] + pad);
      }
      text += line.substr(0, line.find_last_not_of(' ') + 1);
    }
    text += "\n";
  }
  return text;
}

}  // namespace tessera
