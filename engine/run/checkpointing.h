// Checkpoints of a training run: all that it needs to go on bit for bit.
//
// Files of a checkpoint (files/checkpoint.h gives the folder protocol):
//   weights.safetensors     parameters and buffers
//   optimizer.safetensors   moments or velocity, per parameter: "moment1/blocks.0.c1.weight"
//   average.safetensors     their moving average, where the recipe has one
//   state.json              epoch, position, step, running sums, best value, history, digests of the data
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <string>

#include "engine/files/checkpoint.h"
#include "engine/train/fit.h"

namespace tessera {

// What a run's images are, so that a resumed run knows whether they are still the same. SHA-256 in hexadecimal.
struct DataDigests {
  std::string train = {}, validation = {}, test = {};
};

// Writes a checkpoint between rows and, in a long epoch, at least every `interval` seconds; when it is asked to; and when
// the run ends.
class CheckpointWriter : public FitObserver {
 public:
  // `data` is called once, when the first checkpoint is written. `save`, where there is one, asks for a checkpoint now; it
  // is then reset.
  CheckpointWriter(CheckpointStore& store, const ParameterStore& parameters, std::string config,
                   std::function<DataDigests()> data, std::atomic<bool>* save = nullptr, double interval_seconds = 300);
  void on_start(const Fit&) override;
  void on_step(const Fit& fit) override;
  void on_resumable(const Fit& fit) override { write(fit); }
  void on_end(const Fit& fit, FitEnd) override { write(fit); }

 private:
  void write(const Fit& fit);

  CheckpointStore& store_;
  const ParameterStore& parameters_;
  std::string config_;
  std::function<DataDigests()> data_;
  std::optional<DataDigests> digests_;
  std::atomic<bool>* save_;
  double interval_seconds_;
  std::chrono::steady_clock::time_point last_;
};

// What another rank than 0 does when checkpoints are written, where ranks share the optimiser's memory: gives its part.
class CheckpointPart : public FitObserver {
 public:
  void on_step(const Fit& fit) override;
  void on_resumable(const Fit& fit) override { give(fit); }
  void on_end(const Fit& fit, FitEnd) override { give(fit); }

 private:
  static void give(const Fit& fit) { (void)fit.optimizer_memory(); }
};

// Where a checkpoint's run stood. Digests are empty in checkpoints of version 0.1.
struct Resumed {
  FitState state;
  DataDigests data;
};

// WeightsError where the checkpoint's weights are not the network's, by name and shape: found out before memory is taken for
// a network whose size another file has named.
void require_checkpoint_of(Network& network, const Checkpoint& checkpoint);

// Puts the weights back. WeightsError where the checkpoint does not fit the network, or where anything in its state cannot
// be: the field is named.
Resumed restore(const Checkpoint& checkpoint, ParameterStore& parameters);

// Puts the averaged weights back. False, and nothing done, where the checkpoint holds none; WeightsError where they are
// damaged.
bool restore_average(const Checkpoint& checkpoint, ParameterStore& parameters, const WeightAverage& average);

// Puts the optimiser's memory back, of the parameters that it moves. False, and nothing done, where the checkpoint is of an optimiser that remembers other
// things; WeightsError where it is damaged.
bool restore_memory(const Checkpoint& checkpoint, const Optimizer& optimizer);

}  // namespace tessera
