#include "engine/train/history.h"

namespace tessera {

CsvRow history_columns(bool top5) {
  CsvRow columns{"epoch", "accuracy", "loss", "val_accuracy", "val_loss"};
  if (top5) columns.insert(columns.end(), {"top5", "val_top5"});
  columns.insert(columns.end(), {"lr", "seconds", "images_per_second", "step"});
  return columns;
}

CsvRow to_csv_row(const HistoryRow& row, bool top5) {
  const auto validation = [&](double Evaluation::*field) {
    return row.validation ? csv_number((*row.validation).*field) : std::string();
  };
  CsvRow cells{std::to_string(row.epoch), csv_number(row.train.accuracy), csv_number(row.train.loss),
               validation(&Evaluation::accuracy), validation(&Evaluation::loss)};
  if (top5) cells.insert(cells.end(), {csv_number(row.train.top5), validation(&Evaluation::top5)});
  cells.insert(cells.end(), {csv_number(row.learning_rate), csv_number(row.seconds), csv_number(row.images_per_second),
                             std::to_string(row.step)});
  return cells;
}

}  // namespace tessera
