#include "engine/run/run_folder.h"

#include "engine/run/weights.h"

namespace tessera {

void HistoryFile::on_start(const Fit& fit) {
  CsvTable table{history_columns(top5_), {}};
  for (const HistoryRow& row : fit.host_state().history) table.rows.push_back(to_csv_row(row, top5_));
  writer_.emplace(path_, table);
}

void BestWeights::on_best(const Fit&) { save_weights(path_, parameters_, metadata_); }

FitPlan plan_of(const RunConfig& config, const std::atomic<bool>* stop) {
  const Recipe& recipe = config.recipe;
  return {.batch_size = recipe.batch_size,
          .epochs = recipe.epochs,
          .max_steps = config.max_steps,
          .evaluate_every_steps = recipe.evaluate_every_steps,
          .learning_rate = learning_rate_of(recipe.optimizer),
          .schedule = recipe.schedule,
          .label_smoothing = recipe.label_smoothing,
          .seed = config.seed,
          .shuffle = recipe.shuffle,
          .best = recipe.best,
          .loss_average = recipe.loss_average,
          .stop = stop,
          .max_seconds = config.max_minutes.value_or(0) * 60};
}

}  // namespace tessera
