// Recipe: everything about a training run that is not the network and not the data folder.
//
// A network's own recipe stands with it in models/; the command line overrides single fields.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/optim/optimizers.h"
#include "engine/optim/schedule.h"

namespace tessera {

enum class Normalization : std::uint8_t {
  none,     // u8/255
  cifar10,  // (u8/255 − mean)/std, mean (0.4914, 0.4822, 0.4465), std (0.2023, 0.1994, 0.2010)
};

// Where validation images come from.
enum class Validation : std::uint8_t {
  none,
  test_set,
  last_tenth,   // the last 10 % of the training images, before any shuffling
  fifth_batch,  // data_batch_5; training on the other batches
};

// Which weights best.safetensors holds. Only a strictly better value replaces it.
enum class BestRule : std::uint8_t { last, lowest_validation_loss, highest_validation_accuracy };

// How the batches of an evaluation make one loss.
enum class LossAverage : std::uint8_t {
  by_samples,  // Σ loss·batch size / Σ batch size
  by_batches,  // unweighted mean of the batch losses
};

struct Recipe {
  std::string id;
  Normalization normalization = Normalization::none;
  Validation validation = Validation::test_set;
  std::vector<std::int32_t> classes = {};  // train on these labels only, renumbered from 0; empty: all
  std::int64_t batch_size = 32;
  std::int64_t epochs = 5;
  std::int64_t evaluate_every_steps = 0;  // 0: after every epoch; else also at the last step
  OptimizerOptions optimizer = {};
  Schedule schedule = {};  // of the optimiser's learning rate
  double label_smoothing = 0;
  BestRule best = BestRule::last;
  bool test_best = false;  // the closing test uses the best weights, else the last
  LossAverage loss_average = LossAverage::by_samples;
  bool top5 = false;                 // top-5 accuracy in the history
  std::int64_t log_every_steps = 0;  // show the loss of the first batch and of every so-manieth after it; 0: never
  bool last_batch_loss = false;      // show the loss of the last batch with each row
  bool augment = false;              // pad-4 random crop and horizontal flip
  bool shuffle = true;
  Precision precision = Precision::fp32;
  std::uint64_t seed = 1;  // of initial weights, shuffles, dropout and augmentation
};

}  // namespace tessera
