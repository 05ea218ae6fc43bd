// A run's folder: whether it is free, and the files that every one holds, as observers of its training.
#pragma once

#include <filesystem>
#include <optional>

#include "engine/files/checkpoint.h"
#include "engine/files/safetensors.h"
#include "engine/run/config.h"
#include "engine/run/console.h"
#include "engine/train/fit.h"

namespace tessera {

// What begins in a folder (`name`, to its user) takes none that holds a run already, even one that was cut before its first
// checkpoint: UsageError.
void require_no_run(const CheckpointStore& store, const std::filesystem::path& name);

// history.csv: first the rows that the run starts with (of its checkpoint, of an earlier phase), then one per evaluation.
// A row that cannot be written does not keep the run from its next checkpoint: to be added behind the CheckpointWriter,
// since it tries again there, and what fails then ends the run. A file that is gone comes back whole.
class HistoryFile : public FitObserver {
 public:
  HistoryFile(std::filesystem::path path, HistoryColumns columns, const Console& console)
      : path_(std::move(path)), columns_(columns), console_(console) {}
  void on_start(const Fit& fit) override { write_all(fit); }
  void on_evaluation(const Fit& fit, const HistoryRow& row) override;
  void on_resumable(const Fit& fit) override { complete(fit); }
  void on_end(const Fit& fit, FitEnd) override { complete(fit); }

  // Nothing where all rows are in the file; else tries again. WeightsError where that fails.
  void complete(const Fit& fit);

 private:
  void write_all(const Fit& fit);

  std::filesystem::path path_;
  HistoryColumns columns_;
  const Console& console_;
  std::optional<CsvWriter> writer_;  // none: the file does not hold all rows
};

// best.safetensors, by the recipe's rule.
class BestWeights : public FitObserver {
 public:
  BestWeights(std::filesystem::path path, const ParameterStore& parameters, Metadata metadata)
      : path_(std::move(path)), parameters_(parameters), metadata_(std::move(metadata)) {}
  void on_best(const Fit&) override;

 private:
  std::filesystem::path path_;
  const ParameterStore& parameters_;
  Metadata metadata_;
};

}  // namespace tessera
