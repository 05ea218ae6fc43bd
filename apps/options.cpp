#include "apps/options.h"

#include <algorithm>

#include "apps/training.h"
#include "apps/values.h"
#include "engine/core/error.h"
#include "engine/files/csv.h"

namespace tessera {
namespace {

CLI::Validator class_weights_word() {
  return {[](std::string& text) {
            return ClassWeights::parse(text)
                       ? std::string()
                       : printable(text) + " is neither `balanced` nor numbers with commas between them";
          },
          ""};
}

// A schedule's word on the command line: "one-cycle".
std::string with_hyphens(std::string kind) {
  std::replace(kind.begin(), kind.end(), ' ', '-');
  return kind;
}
std::vector<std::string> schedule_words() {
  std::vector<std::string> words;
  for (const char* kind : Kinds<Schedule>::all) words.push_back(with_hyphens(kind));
  return words;
}
std::vector<std::string> normalization_names() {
  std::vector<std::string> names;
  for (const NamedNormalization& known : named_normalizations()) names.push_back(known.name);
  return names;
}

// An option whose default comes from elsewhere: `shown` is what --help says of it.
template <class T>
CLI::Option* add(CLI::App& app, const char* name, std::optional<T>& value, const char* help, const std::string& shown) {
  return app
      .add_option_function<T>(
          name, [&value](const T& given) { value = given; }, help)
      ->default_str(shown);
}

template <class T>
void take(const std::optional<T>& given, T& field) {
  if (given) field = *given;
}

}  // namespace

// Not one_of(): names combine.
CLI::Validator augmentation_words() {
  return {[](std::string& text) {
            return Augmentation::parse(text) ? std::string() : printable(text) + " is not of: " + Augmentation::all_names();
          },
          ""};
}

void ComputeOptions::apply(RunConfig& config) const {
  take(device, config.device);
  take(kernels, config.kernels);
  if (precision) config.recipe.precision = from_word<Precision>(*precision).value();
  take(threads, config.threads);
  take(seed, config.recipe.seed);
  take(batch_size, config.recipe.batch_size);
  if (outputs) config.network_options.outputs = outputs;
  if (image_size) config.network_options.image_size = image_size;
  take(channels, config.network_options.channels);
  if (normalize) config.recipe.normalization = Normalization::parse(*normalize).value();
  config.recipe.normalization = config.recipe.normalization.of_channels(config.network_options.channels);
  if (conv) config.direct_convolution = *conv == "direct";
  if (deterministic) config.deterministic = true;
  if (no_residual) config.network_options.residual = false;
}

void add_compute_options(CLI::App& app, ComputeOptions& o, const RunConfig& d) {
  const char* group = "Computing";
  add(app, "--device", o.device, "auto, cpu, cuda, cuda:N or emulated (CUDA kernels on the CPU)", d.device)->group(group);
  add(app, "--kernels", o.kernels, "With cuda: own kernels, or vendor (cuDNN and cuBLAS)", d.kernels)
      ->check(one_of({"auto", "own", "vendor"}))
      ->group(group);
  add(app, "--precision", o.precision, "Arithmetic", to_word(d.recipe.precision))
      ->check(one_of({"fp32", "tf32", "bf16"}))
      ->group(group);
  add(app, "--threads", o.threads, "CPU threads; 0: as many as the process may use", std::to_string(d.threads))
      ->check(number<int>({.least = 0, .most = 1024}))
      ->group(group);
  add(app, "--conv", o.conv, "direct: no algorithm that gives up accuracy for speed",
      d.direct_convolution ? "direct" : "auto")
      ->check(one_of({"auto", "direct"}))
      ->group(group);
  app.add_flag("--deterministic", o.deterministic,
               "No plan chosen by timing: the same bits in every run, for any number of threads")
      ->group(group);
  add(app, "--seed", o.seed, "Of initial weights, shuffles, dropout and augmentation", std::to_string(d.recipe.seed))
      ->check(number<std::uint64_t>())
      ->group(group);
  add(app, "--batch-size", o.batch_size, "Images per step",
      d.recipe.batch_size > 0 ? std::to_string(d.recipe.batch_size) : "the recipe's")
      ->check(number<std::int64_t>({.least = 1, .most = 1 << 24}))
      ->group(group);
  add(app, "--normalize", o.normalize, "Of pixels, after /255", d.recipe.normalization.text())
      ->check(one_of(normalization_names()))
      ->group(group);
}

void add_network_options(CLI::App& app, ComputeOptions& o) {
  const char* group = "Network";
  add(app, "--outputs", o.outputs, "Size of the head", "the network's")
      ->check(number<std::int64_t>({.least = 1, .most = 1 << 20}))
      ->group(group);
  add(app, "--image-size", o.image_size, "Rows and columns of an image, for networks that end in a global pool",
      "the network's")
      ->check(number<std::int64_t>({.least = 1, .most = 4096}))
      ->group(group);
  add(app, "--channels", o.channels,
      "Of an image: 3 (red, green, blue), or 1 (grey): colours become grey, or grey is repeated", "the network's")
      ->check(one_of({"1", "3"}))
      ->group(group);
  app.add_flag("--no-residual", o.no_residual, "Without the residual adds (resnet18_nndl)")->group(group);
}

void SharingOptions::apply(RunConfig& config) const {
  take(sync_batch_norm, config.recipe.sync_batch_norm);
  if (wire) config.recipe.bf16_wire = *wire == "bf16";
  if (bucket) config.bucket = bucket;
  take(shard_optimizer, config.shard_optimizer);
}

void add_sharing_options(CLI::App& app, SharingOptions& o, const RunConfig& d) {
  const char* group = "Ranks (mpirun, srun)";
  app.add_flag_function(
         "--sync-batch-norm", [&o](std::int64_t given) { o.sync_batch_norm = given > 0; },
         "Batch norm by the statistics of the whole batch, not of each rank's share")
      ->group(group);
  app.add_flag_function(
         "--shard-optimizer", [&o](std::int64_t given) { o.shard_optimizer = given > 0; },
         "Each rank keeps its share of what the optimiser remembers, and moves its share of the parameters")
      ->group(group);
  add(app, "--wire", o.wire, "Gradients between ranks: fp32, or bf16, half the bytes", d.recipe.bf16_wire ? "bf16" : "fp32")
      ->check(one_of({"fp32", "bf16"}))
      ->group(group);
  add(app, "--bucket", o.bucket, "MB of gradients that are exchanged at a time, while backward makes the next",
      d.bucket ? csv_number(*d.bucket) : "by latency and bandwidth; one host: all")
      ->check(number<double>({.least = 0, .most = 1e6, .above = true}))
      ->group(group);
}

void TrainOptions::apply(RunConfig& config) const {
  compute.apply(config);
  sharing.apply(config);
  Recipe& recipe = config.recipe;
  take(epochs, recipe.epochs);
  if (optimizer) {
    const double rate = learning_rate_of(recipe.optimizer);
    // Else there was none for all; and the steps of Lion and Muon have a size of their own.
    const bool comparable = recipe.groups.empty() && *optimizer != "lion" && *optimizer != "muon";
    recipe.groups.clear();  // one rule for all parameters
    recipe.summed_loss = false;
    recipe.optimizer = Kinds<OptimizerOptions>::make(*optimizer).value();
    if (comparable) set_field(recipe.optimizer, "learning_rate", rate);
  }
  const auto set = [&](const char* option, const char* field, const std::optional<double>& value) {
    if (!value) return;
    if (!recipe.groups.empty())
      throw UsageError(std::string(option) + ": the recipe " + recipe.id +
                       " has groups of parameters with values of their " +
                       "own; give --optimizer too, for one rule for all");
    if (!set_field(recipe.optimizer, field, *value))
      throw UsageError(std::string(option) + ": the optimiser " + kind_of(recipe.optimizer) + " has none");
  };
  set("--lr", "learning_rate", lr);
  set("--momentum", "momentum", momentum);
  set("--weight-decay", "weight_decay", weight_decay);
  for (const char* kind : Kinds<Schedule>::all)  // the recipe's own, where it is of that kind, stays as it is
    if (schedule && *schedule == with_hyphens(kind) && kind != std::string_view(kind_of(recipe.schedule)))
      recipe.schedule = Kinds<Schedule>::make(kind).value();
  take(warmup, recipe.warmup);
  if (patience) recipe.patience = patience;
  take(label_smoothing, recipe.label_smoothing);
  if (class_weights) recipe.class_weights = ClassWeights::parse(*class_weights).value();
  if (clip_norm) recipe.clip_norm = clip_norm;
  take(accumulate, recipe.accumulate);
  if (ema) recipe.ema = ema;
  if (augment) recipe.augment = Augmentation::parse(*augment).value();
  if (no_shuffle) recipe.shuffle = false;
  if (tensorboard) config.tensorboard = true;
  if (steps) config.max_steps = steps;
  if (minutes) config.max_minutes = minutes;
  if (limit_train) config.limit_train = limit_train;
  if (limit_test) config.limit_test = limit_test;
  if (dropout) config.network_options.dropout = dropout;
  if (weights) config.weights = remembered_path(*weights);
}

void add_train_options(CLI::App& app, TrainOptions& o, const RunConfig& d) {
  const Recipe& r = d.recipe;
  const char* group = "Training";
  add(app, "--epochs", o.epochs, "In total", std::to_string(r.epochs))
      ->check(number<std::int64_t>({.least = 1, .most = 1e9}))
      ->group(group);
  add(app, "--steps", o.steps, "Stop after N optimiser steps, even within an epoch", "no limit")
      ->check(number<std::int64_t>({.least = 1, .most = 1e15}))
      ->group(group);
  add(app, "--minutes", o.minutes, "Train for so many minutes; the schedule comes to its end with them", "no limit")
      ->check(number<double>({.least = 0, .above = true}))
      ->group(group);
  const auto& optimizers = Kinds<OptimizerOptions>::all;
  add(app, "--optimizer", o.optimizer, "The update rule; adam is PyTorch's form of it", kind_of(r.optimizer))
      ->check(one_of({optimizers.begin(), optimizers.end()}))
      ->group(group);
  const auto shown = [&](const char* field) { return csv_number(field_of(r.optimizer, field).value_or(0)); };
  add(app, "--lr", o.lr, "Learning rate", shown("learning_rate"))
      ->check(number<double>({.least = 0, .above = true}))
      ->group(group);
  add(app, "--momentum", o.momentum, "Of sgd", shown("momentum"))
      ->check(number<double>({.least = 0, .most = 0.9999}))
      ->group(group);
  add(app, "--weight-decay", o.weight_decay, "The optimiser's, coupled", shown("weight_decay"))
      ->check(number<double>({.least = 0}))
      ->group(group);
  add(app, "--schedule", o.schedule, "How the learning rate changes over the run", with_hyphens(kind_of(r.schedule)))
      ->check(one_of(schedule_words()))
      ->group(group);
  add(app, "--warmup", o.warmup, "Steps in which it rises first, in a straight line", std::to_string(r.warmup))
      ->check(number<std::int64_t>({.least = 0, .most = 1e15}))
      ->group(group);
  add(app, "--patience", o.patience,
      "End after so many evaluations in a row without a better value of the recipe's best rule",
      r.patience ? std::to_string(*r.patience) : "no end")
      ->check(number<std::int64_t>({.least = 1, .most = 1e9}))
      ->group(group);
  add(app, "--label-smoothing", o.label_smoothing, "Share of the target that is spread over all classes",
      csv_number(r.label_smoothing))
      ->check(number<double>({.least = 0, .most = 1}))
      ->group(group);
  add(app, "--class-weights", o.class_weights,
      "What an image of each class counts in the training loss: "
      "numbers with commas between them in the order of the labels, or balanced, by which all classes count alike",
      r.class_weights.text())
      ->check(class_weights_word())
      ->group(group);
  add(app, "--clip-norm", o.clip_norm, "Shorten a step's gradient to this length",
      r.clip_norm ? csv_number(*r.clip_norm) : "no limit")
      ->check(number<double>({.least = 0, .above = true}))
      ->group(group);
  add(app, "--accumulate", o.accumulate, "Pass each batch through the network in so many parts",
      std::to_string(r.accumulate))
      ->check(number<std::int64_t>({.least = 1, .most = 1 << 24}))
      ->group(group);
  add(app, "--ema", o.ema, "Keep a moving average of the weights too, of which each step leaves this share",
      r.ema ? csv_number(*r.ema) : "none")
      ->check(number<double>({.least = 0, .most = 0.999999}))
      ->group(group);
  add(app, "--dropout", o.dropout, "Of every dropout layer the network has", "the network's")
      ->check(number<double>({.least = 0, .most = 0.999}))
      ->group(group);
  add(app, "--augment", o.augment,
      "none, standard (crop after padding by 4, flip), airbench (alternating flips, crops by 2 of what reflects), "
      "or one or several of crop, flip, jitter (brightness, contrast, saturation), cutout, mixup and cutmix "
      "with commas between them",
      r.augment.text())
      ->check(augmentation_words())
      ->group(group);
  app.add_flag("--no-shuffle", o.no_shuffle, "Train in file order")->group(group);
  app.add_flag("--tensorboard", o.tensorboard, "Write an event file for TensorBoard into the run folder")->group(group);
  add(app, "--limit-train", o.limit_train, "Use the first N training images", "all")
      ->check(number<std::int64_t>({.least = 1}))
      ->group(group);
  add(app, "--limit-test", o.limit_test, "Use the first N test and validation images", "all")
      ->check(number<std::int64_t>({.least = 1}))
      ->group(group);
  add(app, "--weights", o.weights, "Start from the weights in this file", "initial values")->group(group);
}

}  // namespace tessera
