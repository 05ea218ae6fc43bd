// A run for TensorBoard: `tensorboard --logdir RUNS` finds the event file in the run folder.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "engine/data/dataset.h"
#include "engine/files/tfevents.h"
#include "engine/nn/parameter_store.h"
#include "engine/report/mistakes.h"
#include "engine/run/config.h"
#include "engine/run/console.h"
#include "engine/train/fit.h"

namespace tessera {

// Shows scalars of every evaluation (loss, accuracy, learning rate, images per second), histograms of weights and of the last
// step's gradients by parameter, the first training images, the configuration, and the mistakes of the closing evaluation.
// Steps are optimiser steps; a resumed run goes on in its file, behind the step of its checkpoint.
// A file that cannot be written costs a warning, once, and that evaluation's event; the run goes on.
class TensorBoard : public FitObserver {
 public:
  TensorBoard(std::filesystem::path folder, const RunConfig& config, const ParameterStore& parameters, const ImageSet& train,
              std::span<const std::string> classes, const Console& console);

  void on_start(const Fit& fit) override;
  void on_evaluation(const Fit& fit, const HistoryRow& row) override;
  void add_mistakes(const ImageSet& images, const Mistakes& mistakes);

 private:
  template <class Write>
  void attempt(const Write& write);

  std::filesystem::path path_;
  const RunConfig& config_;
  const ParameterStore& parameters_;
  const ImageSet& train_;
  std::span<const std::string> classes_;
  const Console& console_;
  std::optional<EventFile> file_;
  std::int64_t step_ = 0;
  bool warned_ = false;
};

}  // namespace tessera
