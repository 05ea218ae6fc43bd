#include "apps/values.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>

#include "engine/core/foreign_text.h"
#include "engine/files/csv.h"
#include "engine/report/suggest.h"

namespace tessera {
namespace {

std::string shown(const std::string& text) {  // as it was typed, where that cannot be misread
  const bool plain = !text.empty() && text.size() <= 40 && text.find_first_of(" \t\n'\"") == std::string::npos;
  const std::string quoted = printable(text);
  return plain && quoted == "'" + text + "'" ? text : quoted;
}

template <class T>
std::string bound(double limit, T unlimited) {
  if (std::isinf(limit)) return std::to_string(unlimited);
  return std::abs(limit) < 1e18 && limit == std::floor(limit) ? std::to_string(static_cast<std::int64_t>(limit))
                                                              : csv_number(limit);
}

template <class T>
std::string expectation(const FieldNote& note) {
  using Limits = std::numeric_limits<T>;
  if constexpr (std::is_integral_v<T>) {
    return "a whole number from " + bound<T>(note.least, Limits::min()) + " to " + bound<T>(note.most, Limits::max());
  } else {
    std::string text = "a number";
    if (std::isfinite(note.least))
      text += (note.above ? " above " : std::isfinite(note.most) ? " from " : " of at least ") + bound<T>(note.least, 0);
    if (std::isfinite(note.most))
      text += (note.above ? ", at most " : std::isfinite(note.least) ? " to " : " of at most ") + bound<T>(note.most, 0);
    return text;
  }
}

// Empty where the text is such a number, else why it is not, from behind "expected ".
template <class T>
std::string problem(const FieldNote& note, const std::string& text) {
  T value{};
  const char* const end = text.data() + text.size();
  const std::from_chars_result read = std::from_chars(text.data(), end, value);
  std::string expected = expectation<T>(note);
  if (read.ptr != end || read.ec == std::errc::invalid_argument) return expected;
  if constexpr (std::is_floating_point_v<T>) {
    using Float = std::numeric_limits<float>;
    const double size = std::abs(value);
    const bool held = size == 0 || (size >= static_cast<double>(Float::min()) && size <= static_cast<double>(Float::max()));
    if (read.ec == std::errc::result_out_of_range || (std::isfinite(value) && !held))
      return expected + " that float32 can hold";
  }
  const bool leading_zero = std::is_integral_v<T> && text.size() > 1 && text[0] == '0';  // read as octal elsewhere
  if (read.ec != std::errc{} || leading_zero || !range_problem(note, static_cast<double>(value)).empty()) return expected;
  return {};
}

// What a number in another notation may mean: 0,1 and 007.
template <class T>
std::string in_our_notation(std::string text) {
  if constexpr (std::is_floating_point_v<T>) {
    if (const std::size_t comma = text.find(','); comma != std::string::npos) text[comma] = '.';
  } else {
    if (!text.empty()) text.erase(0, std::min(text.find_first_not_of('0'), text.size() - 1));
  }
  return text;
}

}  // namespace

template <class T>
CLI::Validator number(const FieldNote& note) {
  return CLI::Validator(
      [note](std::string& text) {
        std::string expected = problem<T>(note, text);
        if (expected.empty()) return expected;
        const std::string other = in_our_notation<T>(text);
        const bool meant = other != text && problem<T>(note, other).empty();
        return shown(text) + ": expected " + expected + (meant ? "; did you mean " + other + "?" : "");
      },
      "");
}

template CLI::Validator number<int>(const FieldNote&);
template CLI::Validator number<std::int64_t>(const FieldNote&);
template CLI::Validator number<std::uint64_t>(const FieldNote&);
template CLI::Validator number<double>(const FieldNote&);

CLI::Validator png_name() {
  return {[](std::string& text) {
            std::string ending = std::filesystem::path(text).extension().string();
            std::transform(ending.begin(), ending.end(), ending.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
            for (const char* other : {".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".svg", ".pdf"})
              if (ending == other) return shown(text) + ": the picture is a PNG; give it a name that ends so";
            return std::string();
          },
          ""};
}

CLI::Validator one_of(std::vector<std::string> words) {
  const std::string description = "{" + CLI::detail::join(words, ",") + "}";
  return CLI::Validator(
      [words = std::move(words)](std::string& text) {
        for (const std::string& word : words)
          if (text == word) return std::string{};
        return shown(text) + ": expected " + CLI::detail::join(words, ", ") + did_you_mean(text, words);
      },
      description);
}

}  // namespace tessera
