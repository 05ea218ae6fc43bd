#include "engine/train/history.h"

namespace tessera {

CsvRow history_columns(HistoryColumns with) {
  CsvRow columns{"epoch", "accuracy", "loss", "val_accuracy", "val_loss"};
  if (with.top5) columns.insert(columns.end(), {"top5", "val_top5"});
  columns.insert(columns.end(), {"lr", "seconds", "images_per_second", "step"});
  if (with.ema) columns.insert(columns.end(), {"ema_val_accuracy", "ema_val_loss"});
  return columns;
}

CsvRow to_csv_row(const HistoryRow& row, HistoryColumns with) {
  const auto cell = [](const std::optional<Evaluation>& of, double Evaluation::*field) {
    return of ? csv_number((*of).*field) : std::string();
  };
  const auto validation = [&](double Evaluation::*field) { return cell(row.validation, field); };
  CsvRow cells{std::to_string(row.epoch), csv_number(row.train.accuracy), csv_number(row.train.loss),
               validation(&Evaluation::accuracy), validation(&Evaluation::loss)};
  if (with.top5) cells.insert(cells.end(), {csv_number(row.train.top5), validation(&Evaluation::top5)});
  cells.insert(cells.end(), {csv_number(row.learning_rate), csv_number(row.seconds), csv_number(row.images_per_second),
                             std::to_string(row.step)});
  if (with.ema) cells.insert(cells.end(), {cell(row.average, &Evaluation::accuracy), cell(row.average, &Evaluation::loss)});
  return cells;
}

}  // namespace tessera
