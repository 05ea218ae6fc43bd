// The files that every run's folder holds, as observers of its training.
#pragma once

#include <filesystem>
#include <optional>

#include "engine/files/safetensors.h"
#include "engine/run/config.h"
#include "engine/train/fit.h"

namespace tessera {

// history.csv: first the rows that the run starts with (of its checkpoint, of an earlier phase), then one per evaluation.
class HistoryFile : public FitObserver {
 public:
  HistoryFile(std::filesystem::path path, bool top5) : path_(std::move(path)), top5_(top5) {}
  void on_start(const Fit& fit) override;
  void on_evaluation(const Fit&, const HistoryRow& row) override { writer_->append(to_csv_row(row, top5_)); }

 private:
  std::filesystem::path path_;
  bool top5_;
  std::optional<CsvWriter> writer_;
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

// What the configuration says to the training loop.
FitPlan plan_of(const RunConfig& config, const std::atomic<bool>* stop);

}  // namespace tessera
