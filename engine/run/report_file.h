// RUN/report.html: what report/report.h draws, gathered from a run.
#pragma once

#include <filesystem>

#include "engine/report/mistakes.h"
#include "engine/report/report.h"
#include "engine/run/config.h"
#include "engine/train/explanations.h"
#include "engine/train/fit.h"

namespace tessera {

class RunReport {
 public:
  // The run's configuration and the network's parameters, as they are when the report is written.
  RunReport(std::filesystem::path file, RunConfig config, const ParameterStore& parameters);

  // How the training went. To be called again after each phase of a run that has several; the histories add up.
  void add_training(const Fit& fit, FitEnd end);

  // The images that the closing evaluation runs over; what it returns is that evaluation's on_batch. `kind`: "test".
  std::function<void(const Tensor& logits, const Tensor& labels)> watch(const ImageSet& images, std::string kind,
                                                                        const std::vector<std::string>& classes);
  // What of those images speaks for the class that the surest mistakes are taken for, by the network with its weights of that
  // evaluation. Interrupted once `stop` is set.
  void explain_mistakes(Network& network, const Recipe& recipe, const std::atomic<bool>* stop);
  // Its result, and how long it took.
  void add_evaluation(const Evaluation& result, double seconds);

  const Mistakes& mistakes() const { return mistakes_; }
  // The same of the averaged weights.
  void add_average(const Evaluation& result) { average_ = result; }

  // Writes the page, replacing an older one. WeightsError where it cannot be written.
  void write() const;

 private:
  std::vector<ReportFigure> figures() const;
  std::vector<ReportTable> tables() const;

  std::filesystem::path file_;
  RunConfig config_;
  const ParameterStore& parameters_;

  std::vector<HistoryRow> history_;
  double steps_per_epoch_ = 1;
  std::int64_t steps_ = 0, total_steps_ = 0, skipped_ = 0, samples_ = 0;
  double session_seconds_ = 0;
  bool stopped_ = false;

  const ImageSet* images_ = nullptr;
  std::string kind_;
  std::optional<Confusion> confusion_;
  Mistakes mistakes_{24};
  std::optional<ClassMaps> explanations_;  // of mistakes_.surest()
  std::optional<Evaluation> evaluation_, average_;
  double evaluation_seconds_ = 0;
};

}  // namespace tessera
