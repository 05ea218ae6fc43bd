// Small pieces of text that people read: numbers, durations, bars, tables.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera {

std::string with_thousands(std::int64_t number);       // 11,183,562
std::string format_duration(double seconds);           // 8.4s, 1:23, 2:05:09
std::string format_fixed(double value, int decimals);  // 0.4821, nan
std::string format_flops(double flops);                // 1.1 GFLOP
std::string two_digits(double value);                  // that matter: 0.011, 3.2e-06

// `done` of `total` as a bar of `width` cells.
std::string progress_bar(std::int64_t done, std::int64_t total, int width);

// Columns aligned, numbers to the right. A row with no cells draws a line.
std::string format_table(const std::vector<std::vector<std::string>>& rows, const std::string& right_aligned);

// A name for a column: cut to 24 characters, the last of them "…", where it is longer.
std::string shortened(const std::string& name);

// Columns that a terminal needs for UTF-8 text of one-column characters.
std::size_t display_width(const std::string& text);

}  // namespace tessera
