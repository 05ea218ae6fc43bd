// Recipe: everything about a training run that is not the network and not the data folder.
//
// A network's own recipe stands with it in models/; the command line overrides single fields.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/fields.h"
#include "engine/data/augmentation.h"
#include "engine/data/normalization.h"
#include "engine/optim/optimizers.h"
#include "engine/optim/schedule.h"
#include "engine/train/class_weights.h"

namespace tessera {

// Where validation images come from.
enum class Validation : std::uint8_t {
  none,
  test_set,
  last_tenth,   // the last 10 % of the training images, before any shuffling
  fifth_batch,  // data_batch_5; training on the other batches
};
inline std::span<const Word<Validation>> words(Validation) {
  static constexpr Word<Validation> table[] = {{Validation::none, "none"},
                                               {Validation::test_set, "test set"},
                                               {Validation::last_tenth, "last tenth"},
                                               {Validation::fifth_batch, "data_batch_5"}};
  return table;
}

// Which weights best.safetensors holds. Only a strictly better value replaces it.
enum class BestRule : std::uint8_t { last, lowest_validation_loss, highest_validation_accuracy };
inline std::span<const Word<BestRule>> words(BestRule) {
  static constexpr Word<BestRule> table[] = {{BestRule::last, "last"},
                                             {BestRule::lowest_validation_loss, "lowest validation loss"},
                                             {BestRule::highest_validation_accuracy, "highest validation accuracy"}};
  return table;
}

// How the batches of an evaluation make one loss.
enum class LossAverage : std::uint8_t {
  by_samples,  // Σ loss·batch size / Σ batch size
  by_batches,  // unweighted mean of the batch losses
};
inline std::span<const Word<LossAverage>> words(LossAverage) {
  static constexpr Word<LossAverage> table[] = {{LossAverage::by_samples, "by samples"},
                                                {LossAverage::by_batches, "by batches"}};
  return table;
}

// How many views of an image the closing test averages (train/views.h).
enum class Views : std::uint8_t { one, six };
inline std::span<const Word<Views>> words(Views) {
  static constexpr Word<Views> table[] = {{Views::one, "one"}, {Views::six, "six"}};
  return table;
}

struct Recipe {
  std::string id = {};
  Normalization normalization = {};
  Validation validation = Validation::test_set;
  std::vector<std::int32_t> classes = {};  // train on these labels only, renumbered from 0; empty: all
  std::int64_t batch_size = 32;
  std::int64_t epochs = 5;
  std::int64_t evaluate_every_steps = 0;  // 0: after every epoch; else also at the last step
  OptimizerOptions optimizer = {};
  Schedule schedule = {};                   // of the optimiser's learning rate
  std::int64_t warmup = 0;                  // steps in which it rises first (ScheduleTime)
  std::vector<ParameterGroup> groups = {};  // parameters that follow an optimiser of their own
  double label_smoothing = 0;
  bool summed_loss = false;  // gradients are those of the batch's sum of losses; what is shown is their mean all the same
  bool drop_last = false;    // an epoch ends before a batch that would be smaller than the others
  ClassWeights class_weights = {};
  std::optional<double> clip_norm = {};  // the longest that a step's gradient, of all parameters together, may be
  std::int64_t accumulate = 1;           // parts of a batch that are passed through the network one after another
  bool sync_batch_norm = false;          // of several ranks: statistics of the whole batch, not of each rank's share
  bool bf16_wire = false;                // between ranks gradients are sent in bf16
  std::optional<double> ema = {};        // share that a moving average of the weights keeps (weight_average.h)
  BestRule best = BestRule::last;
  std::optional<std::int64_t> patience = {};  // evaluations without a better value that end the run; none: it does not
  bool test_best = false;                     // the closing test uses the best weights, else the last
  Views test_views = Views::one;
  LossAverage loss_average = LossAverage::by_samples;
  bool top5 = false;                 // top-5 accuracy in the history
  std::int64_t log_every_steps = 0;  // show the loss of the first batch and of every so-manieth after it; 0: never
  bool last_batch_loss = false;      // show the loss of the last batch with each row
  Augmentation augment = {};         // of training images
  bool shuffle = true;
  Precision precision = Precision::fp32;
  std::uint64_t seed = 1;  // of initial weights, shuffles, dropout and augmentation

  template <class F>
  void fields(F& f) {
    f("id", id);
    f("normalization", normalization);
    f("validation", validation);
    f("classes", classes, {.help = "train on these labels only, renumbered from 0", .least = 0, .most = 1e6});
    f("batch_size", batch_size, {.help = "images per step", .least = 1, .most = 1 << 24});
    f("epochs", epochs, {.help = "in total", .least = 0, .most = 1e9});
    f("evaluate_every_steps", evaluate_every_steps, {.least = 0, .most = 1e15});
    f("optimizer", optimizer);
    f("schedule", schedule);
    f("warmup", warmup, {.help = "steps in which the rate rises", .least = 0, .most = 1e15});
    f("groups", groups);
    f("label_smoothing", label_smoothing, {.help = "share of the target spread over all classes", .least = 0, .most = 1});
    f("summed_loss", summed_loss);
    f("drop_last", drop_last);
    f("class_weights", class_weights);
    f("clip_norm", clip_norm, {.help = "the longest that a step's gradient may be", .least = 0, .above = true});
    f("accumulate", accumulate, {.help = "parts of a batch, one after another", .least = 1, .most = 1 << 24});
    f("sync_batch_norm", sync_batch_norm);
    f("bf16_wire", bf16_wire);
    f("ema", ema, {.help = "share that a moving average of the weights keeps", .least = 0, .most = 0.999999});
    f("best", best);
    f("patience", patience, {.help = "evaluations without a better value that end the run", .least = 1, .most = 1e9});
    f("test_best", test_best);
    f("test_views", test_views);
    f("loss_average", loss_average);
    f("top5", top5);
    f("log_every_steps", log_every_steps, {.least = 0, .most = 1e15});
    f("last_batch_loss", last_batch_loss);
    f("augment", augment);
    f("shuffle", shuffle);
    f("precision", precision);
    f("seed", seed, {.help = "of initial weights, shuffles, dropout and augmentation"});
  }
};

}  // namespace tessera
