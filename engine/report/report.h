// The report of a training run: one HTML page that needs nothing else, no network and no script.
//
// Headline figures, curves, confusion matrix, accuracy per class, the surest mistakes, the first layer's filters, and the
// tables that say how it was trained. It is readable on a phone, in light and dark, and on paper.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/report/chart.h"
#include "engine/report/confusion.h"

namespace tessera {

struct ReportFigure {
  std::string name, value;
  std::string note = {};  // small, under it
};

struct ReportScores {
  double loss = 0, accuracy = 0, top5 = 0;
};

struct ReportRow {
  double epoch = 0;  // where on the axis: 2.5 is in the middle of the third epoch
  ReportScores train;
  std::optional<ReportScores> validation = {};
  double learning_rate = 0, seconds = 0, images_per_second = 0;
};

struct ReportMistake {
  std::string label, predicted;
  double probability = 0;  // of the predicted class
  std::string image;       // a data URI
  std::string heat = {};   // of what heated() makes of it; may be none
  std::int64_t index = 0;  // in the evaluated set
};

struct ReportTable {
  std::string title;
  std::vector<std::pair<std::string, std::string>> rows;
};

struct ReportData {
  std::string title, subtitle;
  std::string notice = {};  // what a reader must know first: the run was stopped
  std::vector<ReportFigure> figures = {};

  std::vector<ReportRow> history = {};
  bool top5 = false;

  std::vector<Chart> charts = {};  // others
  std::string charts_note = {};

  std::string evaluated = {};  // the images behind matrix and mistakes: "10,000 test images"
  std::optional<Confusion> confusion = {};
  std::int64_t mistake_count = 0;
  std::vector<ReportMistake> mistakes = {};

  std::vector<std::string> filters = {};  // of the first layer: data URIs
  std::string filters_note = {};

  std::vector<ReportTable> tables = {};
  std::string footer = {};
};

// The whole page. The same data always gives the same bytes. Parts that the data has not are left out.
std::string report_html(const ReportData& data);

// Filters [count, height, width, channels] of 1 or 3 channels as data URIs of images of their size. Each is scaled by itself:
// grey is 0, its largest weight is full brightness or black.
std::vector<std::string> filter_images(const std::vector<float>& weights, std::int64_t count, std::int64_t height,
                                       std::int64_t width, std::int64_t channels);

}  // namespace tessera
