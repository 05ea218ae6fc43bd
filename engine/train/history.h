// The history of a run: one row per evaluation, and history.csv.
#pragma once

#include <limits>
#include <optional>
#include <vector>

#include "engine/files/csv.h"
#include "engine/train/evaluate.h"

namespace tessera {

struct HistoryRow {
  std::int64_t epoch = 0;  // counted from 1: the epoch this row closes or lies in
  Evaluation train;        // running mean over the row's steps, in training mode while the weights changed
  std::optional<Evaluation> validation = {};
  std::optional<Evaluation> average = {};  // the same, of the averaged weights
  double learning_rate = 0;
  double seconds = 0;            // of the row's training steps alone
  double images_per_second = 0;  // likewise
  std::int64_t step = 0;         // optimiser steps done
};

// Columns: epoch, accuracy, loss, val_accuracy, val_loss, then with top5 top5, val_top5, then lr, seconds,
// images_per_second, step, then with ema ema_val_accuracy, ema_val_loss. Cells of a validation that there was not are empty.
struct HistoryColumns {
  bool top5 = false, ema = false;
};
CsvRow history_columns(HistoryColumns with);
CsvRow to_csv_row(const HistoryRow& row, HistoryColumns with);

}  // namespace tessera
