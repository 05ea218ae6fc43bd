// Checkpoints of a training run: all that it needs to go on bit for bit.
//
// Files of a checkpoint (files/checkpoint.h gives the folder protocol):
//   weights.safetensors     parameters and buffers
//   optimizer.safetensors   moments or velocity, per parameter: "moment1/blocks.0.c1.weight"
//   state.json              epoch, position, step, running sums, best value, history
#pragma once

#include <chrono>
#include <string>

#include "engine/files/checkpoint.h"
#include "engine/train/fit.h"

namespace tessera {

// Writes a checkpoint between rows and, in a long epoch, at least every `interval` seconds; and when the run ends.
class CheckpointWriter : public FitObserver {
 public:
  CheckpointWriter(CheckpointStore& store, const ParameterStore& parameters, const Optimizer& optimizer, std::string config,
                   double interval_seconds = 300);
  void on_start(const Fit&) override;
  void on_step(const Fit& fit) override;
  void on_resumable(const Fit& fit) override { write(fit); }
  void on_end(const Fit& fit, FitEnd) override { write(fit); }

 private:
  void write(const Fit& fit);

  CheckpointStore& store_;
  const ParameterStore& parameters_;
  const Optimizer& optimizer_;
  std::string config_;
  double interval_seconds_;
  std::chrono::steady_clock::time_point last_;
  std::string last_state_;  // state.json of the newest checkpoint: what has not moved is not written again
};

// Puts the weights, the optimiser's memory and the state back. WeightsError where the checkpoint does not fit the network.
FitState restore(const Checkpoint& checkpoint, ParameterStore& parameters, const Optimizer& optimizer);

}  // namespace tessera
