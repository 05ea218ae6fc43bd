// The command-line options that several programs have.
#pragma once

#include <optional>
#include <string>

#include "engine/run/config.h"

namespace CLI {
class App;
class Validator;
}  // namespace CLI

namespace tessera {

// Options as given on the command line; what was not given stays empty, so that a recipe or a resumed run fills it.
struct ComputeOptions {
  std::optional<std::string> device, kernels, precision, conv, normalize;
  std::optional<int> threads;
  std::optional<std::uint64_t> seed;
  std::optional<std::int64_t> batch_size, outputs, image_size, channels;
  bool deterministic = false, no_residual = false;

  void apply(RunConfig& config) const;
};

// `defaults` supplies the values that --help shows.
void add_compute_options(CLI::App& app, ComputeOptions& options, const RunConfig& defaults);
void add_network_options(CLI::App& app, ComputeOptions& options);  // --outputs, --image-size, --channels, --no-residual

// Names of augmentations, which combine by commas.
CLI::Validator augmentation_words();

// How several ranks share a training.
struct SharingOptions {
  std::optional<bool> sync_batch_norm, shard_optimizer;  // =false: no longer, of a resumed run
  std::optional<std::string> wire;
  std::optional<double> bucket;

  void apply(RunConfig& config) const;
};
void add_sharing_options(CLI::App& app, SharingOptions& options, const RunConfig& defaults);

struct TrainOptions {
  ComputeOptions compute;
  SharingOptions sharing;
  std::optional<std::int64_t> epochs, steps, warmup, patience, accumulate, limit_train, limit_test;
  std::optional<std::string> optimizer, schedule, class_weights, weights, augment;
  std::optional<double> lr, momentum, weight_decay, label_smoothing, clip_norm, ema, dropout, minutes;
  bool no_shuffle = false, tensorboard = false;

  void apply(RunConfig& config) const;
};
void add_train_options(CLI::App& app, TrainOptions& options, const RunConfig& defaults);

}  // namespace tessera
