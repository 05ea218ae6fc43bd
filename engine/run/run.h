// A whole training run in a run folder: data to sets, network to device, fit with its observers, files, closing test.
//
// Fine-tuning is such a run whose configuration starts from weights with a new head, in two phases.
//
//   RUN/config.json           what was asked for
//   RUN/history.csv           one row per evaluation
//   RUN/last.safetensors      weights after the last step
//   RUN/best.safetensors      by the recipe's rule
//   RUN/ema.safetensors       their moving average, where the recipe has one
//   RUN/checkpoints/          resumable
//   RUN/test.json             the closing test's numbers
//   RUN/report.html           curves, confusion matrix, mistakes (run/report_file.h)
#pragma once

#include <filesystem>

#include "engine/files/safetensors.h"
#include "engine/run/config.h"
#include "engine/run/console.h"
#include "engine/run/profile.h"
#include "engine/run/ranks.h"
#include "engine/run/split.h"

namespace tessera {

struct RunRequest {
  RunConfig config;
  std::filesystem::path folder;
  std::optional<RunConfig> resumed = {};  // go on in the folder; this is the configuration that is in it
  bool new_data = false;                  // a resumed run may go on with other images than it had
  // Names of the classes that the weights to begin with know, by which the data meets them; empty: by label.
  std::vector<std::string> known_classes = {};
  const std::atomic<bool>* stop = nullptr;
  std::atomic<bool>* save = nullptr;  // set: a checkpoint now
  Profile* profile = nullptr;         // told of the parameters; it stands before the device's table (open_device)
  // Who trains along; null: nobody. Rank 0 alone reads and writes the folder and reads the weights to begin with; each reads
  // the data, and a folder or names of classes that the others have do not matter.
  Communicator* ranks = nullptr;
};

struct RunResult {
  FitEnd end = FitEnd::finished;
  std::optional<Evaluation> test;          // none where there are no test images, or the run was stopped
  std::optional<Evaluation> average_test;  // the same with the averaged weights
};

// Trains `network` (built from config.network and config.network_options) as `request.config` says, in one phase or more.
// Writes everything into the folder; prints through the console. Throws Error (data, weights, non-finite) and
// kernels::DeviceError.
RunResult run_training(const RunRequest& request, Network& network, Dataset&& dataset, const std::shared_ptr<Device>& device,
                       const Console& console);

// The configuration in a run folder. WeightsError where there is none or it is damaged.
RunConfig read_run_config(const std::filesystem::path& folder);

// The device that a configuration asks for, at this rank's seat of its host. DeviceError where it, its precision or its kernels
// cannot be had.
std::shared_ptr<Device> open_device(const RunConfig& config, const Seat& seat = {});
// The same behind a profile. UsageError: a GPU that is not the first.
std::shared_ptr<Device> open_device(const RunConfig& config, Profile& profile);

// What a weights file says of its images, where they are not the usual ones: image_size, channels.
void add_input(Metadata& metadata, const NetworkOptions& options);

// What it says of itself: network, outputs, residual, the same of its images, normalization, classes (names), and labels:
// which labels of the data set those classes are, where they are not all of them.
Metadata weights_metadata(const RunConfig& config, std::int64_t outputs, const std::vector<std::string>& classes);

// "test: accuracy 0.8123 top-5 0.9864 loss 0.9799", and behind it " one view 0.8056" where several were averaged.
std::string test_line(const Evaluation& test);

}  // namespace tessera
