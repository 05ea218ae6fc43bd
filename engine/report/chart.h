// Line charts as SVG: curves over epochs with axes, grid, legend, and titles where the pointer rests.
#pragma once

#include <string>
#include <vector>

namespace tessera {

struct Series {
  std::string name;            // in the legend
  std::string style;           // CSS class that gives the colour
  std::vector<double> values;  // one per x; where it is NaN or infinite the line has a gap
};

struct Chart {
  std::string title;
  std::string x_name;     // "epoch"
  bool percent = false;   // values are shares of 1, shown as 62.5 %, and the axis stays within 0 … 100 %
  bool decades = false;   // x is the logarithm to base 10 of what is shown: ticks are powers of ten
  std::vector<double> x;  // ascending
  std::vector<Series> series;
};

// A <figure> with title, legend (with the last value of each curve; not over decades, where the last is no result) and an
// <svg> of a fixed viewBox that scales with its column. Colours come from the page's style sheet. Any number of points, none
// included.
std::string line_chart(const Chart& chart);

// Round numbers (1, 2, 2.5 or 5 times a power of ten) from at most `low` to at least `high`, about `count` of them.
// `low` ≤ `high`, both finite; where they are equal, the range around them. Steps are never below `smallest_step`.
std::vector<double> round_ticks(double low, double high, int count, double smallest_step = 0);

}  // namespace tessera
