#include "engine/run/run_folder.h"

#include "engine/run/weights.h"

namespace tessera {

void require_no_run(const CheckpointStore& store, const std::filesystem::path& name) {
  const std::filesystem::path& folder = store.run_folder();
  if (!store.steps().empty() || std::filesystem::exists(folder / "config.json") ||
      std::filesystem::exists(folder / "last.safetensors"))
    throw UsageError(name.string() + " already holds a run: go on with --resume " + name.string() +
                     ", or give another --out");
}

void HistoryFile::write_all(const Fit& fit) {
  CsvTable table{history_columns(columns_), {}};
  for (const HistoryRow& row : fit.host_state().history) table.rows.push_back(to_csv_row(row, columns_));
  writer_.reset();
  writer_.emplace(path_, table);
}

void HistoryFile::on_evaluation(const Fit& fit, const HistoryRow& row) {
  try {
    std::error_code ignored;
    if (writer_ && std::filesystem::exists(path_, ignored))
      writer_->append(to_csv_row(row, columns_));
    else
      write_all(fit);
  } catch (const WeightsError& error) {
    writer_.reset();
    console_.warn(error.what());
  }
}

void HistoryFile::complete(const Fit& fit) {
  if (!writer_) write_all(fit);
}

void BestWeights::on_best(const Fit&) { save_weights(path_, parameters_, metadata_); }

}  // namespace tessera
