#include "engine/train/run.h"

#include "engine/files/csv.h"
#include "engine/report/text.h"
#include "engine/train/checkpointing.h"
#include "engine/train/weights.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

// history.csv: on a resume the rows of the checkpoint, then one row per evaluation.
class HistoryFile : public FitObserver {
 public:
  HistoryFile(fs::path path, bool top5) : path_(std::move(path)), top5_(top5) {}
  void on_start(const Fit& fit) override {
    CsvTable table{history_columns(top5_), {}};
    for (const HistoryRow& row : fit.host_state().history) table.rows.push_back(to_csv_row(row, top5_));
    writer_.emplace(path_, table);
  }
  void on_evaluation(const Fit&, const HistoryRow& row) override { writer_->append(to_csv_row(row, top5_)); }

 private:
  fs::path path_;
  bool top5_;
  std::optional<CsvWriter> writer_;
};

class BestWeights : public FitObserver {
 public:
  BestWeights(fs::path path, const ParameterStore& parameters, Metadata metadata)
      : path_(std::move(path)), parameters_(parameters), metadata_(std::move(metadata)) {}
  void on_best(const Fit&) override { save_weights(path_, parameters_, metadata_); }

 private:
  fs::path path_;
  const ParameterStore& parameters_;
  Metadata metadata_;
};

FitPlan plan_of(const RunConfig& config, const std::atomic<bool>* stop) {
  const Recipe& recipe = config.recipe;
  return {.batch_size = recipe.batch_size,
          .epochs = recipe.epochs,
          .max_steps = config.max_steps,
          .evaluate_every_steps = recipe.evaluate_every_steps,
          .learning_rate = recipe.optimizer.learning_rate,
          .label_smoothing = recipe.label_smoothing,
          .seed = config.seed,
          .shuffle = recipe.shuffle,
          .best = recipe.best,
          .loss_average = recipe.loss_average,
          .stop = stop,
          .max_seconds = config.max_minutes.value_or(0) * 60};
}

void describe(const RunRequest& request, const ParameterStore& parameters, const Split& split, const Console& console) {
  const RunConfig& config = request.config;
  console.note("device   " + parameters.device()->choice());
  console.note("network  " + config.network + ", " + with_thousands(parameters.trainable_count()) + " trainable parameters");
  console.note("data     " + with_thousands(split.train.count) + " training images, " +
               (split.validate_on_test       ? "validation on the " + with_thousands(split.test.count) + " test images"
                : split.validation.count > 0 ? with_thousands(split.validation.count) + " validation and " +
                                                   with_thousands(split.test.count) + " test images"
                                             : with_thousands(split.test.count) + " test images"));
  console.note("recipe   " + config.recipe.id + ": " + config.recipe.optimizer.name() + ", learning rate " +
               csv_number(config.recipe.optimizer.learning_rate) + ", batch " + std::to_string(config.recipe.batch_size) +
               ", " + std::to_string(config.recipe.epochs) + (config.recipe.epochs == 1 ? " epoch" : " epochs"));
  console.note("run      " + request.folder.string());
}

}  // namespace

std::shared_ptr<Device> open_device(const RunConfig& config) {
  if (config.precision != "fp32")
    throw kernels::DeviceError("--precision " + config.precision + ": this build computes in fp32 only");
  if (config.kernels == "vendor")
    throw kernels::DeviceError("--kernels vendor: this build has no cuDNN kernels; use --kernels own or auto");
  return Device::open({.device = config.device,
                       .options = {.threads = config.threads,
                                   .deterministic = config.deterministic,
                                   .direct_convolution = config.direct_convolution}});
}

Metadata weights_metadata(const RunConfig& config, std::int64_t outputs, const std::vector<std::string>& classes) {
  std::string names, labels;
  for (const std::string& name : classes) names += (names.empty() ? "" : ",") + name;
  for (const std::int32_t label : config.recipe.classes) labels += (labels.empty() ? "" : ",") + std::to_string(label);
  return {{"network", config.network},
          {"outputs", std::to_string(outputs)},
          {"residual", config.network_options.residual ? "true" : "false"},
          {"normalization", to_word(config.recipe.normalization)},
          {"classes", names},
          {"labels", labels}};
}

std::string test_line(const Evaluation& test) {
  return "test: accuracy " + format_fixed(test.accuracy, 4) + " top-5 " + format_fixed(test.top5, 4) + " loss " +
         format_fixed(test.loss, 4);
}

RunResult run_training(const RunRequest& request, Network& network, Dataset&& dataset, const std::shared_ptr<Device>& device,
                       const Console& console) {
  const RunConfig& config = request.config;
  const Recipe& recipe = config.recipe;
  const std::string config_json = to_json(config);
  for (const std::string& warning : dataset.warnings) console.warn(warning);
  const Split split = split_for(std::move(dataset), recipe, {config.limit_train, config.limit_test}, network.outputs());
  for (const std::string& note : split.notes) console.warn(note);

  CheckpointStore checkpoints(request.folder);
  if (!request.resume && !checkpoints.steps().empty())
    throw UsageError(request.folder.string() + " already holds a run: go on with --resume " + request.folder.string() +
                     ", or give another --out");
  ParameterStore parameters(network, device, config.seed);
  const std::unique_ptr<Optimizer> optimizer = make_optimizer(recipe.optimizer, parameters);
  const Metadata metadata = weights_metadata(config, network.outputs(), split.classes);

  FitState state;
  bool resumed = false;
  if (request.resume) {
    std::vector<std::string> notes;
    const std::optional<Checkpoint> checkpoint = checkpoints.load_newest(notes);
    for (const std::string& note : notes) console.warn(note);
    resumed = checkpoint.has_value();
    if (resumed)
      state = restore(*checkpoint, parameters, *optimizer);
    else
      console.warn(request.folder.string() + " holds no checkpoint yet: starting from the beginning");
  }
  if (!resumed && !config.weights.empty()) load_weights(Safetensors::read(config.weights), parameters);
  write_file_atomically(request.folder / "config.json", bytes_of(config_json), ExitCode::weights);
  describe(request, parameters, split, console);

  BatchSource train(DeviceImages::upload(split.train, device),
                    gather_params(recipe.normalization, recipe.augment, config.seed));
  const kernels::GatherParams plain = gather_params(recipe.normalization, false, config.seed);
  std::optional<BatchSource> test, validation;
  if (split.test.count > 0) test.emplace(DeviceImages::upload(split.test, device), plain);
  if (split.validation.count > 0) validation.emplace(DeviceImages::upload(split.validation, device), plain);
  const BatchSource* validate_on = split.validate_on_test ? &*test : validation ? &*validation : nullptr;

  Fit fit(network, parameters, *optimizer, train, validate_on, plan_of(config, request.stop), std::move(state));
  HistoryFile history(request.folder / "history.csv", recipe.top5);
  BestWeights best(request.folder / "best.safetensors", parameters, metadata);
  ConsoleProgress progress(console, recipe);
  CheckpointWriter checkpoint_writer(checkpoints, parameters, *optimizer, config_json);
  for (FitObserver* observer : std::initializer_list<FitObserver*>{&history, &best, &progress, &checkpoint_writer})
    fit.add(*observer);

  RunResult result{.end = fit.run(), .test = std::nullopt};
  if (result.end == FitEnd::stopped) return result;
  save_weights(request.folder / "last.safetensors", parameters, metadata);
  if (test) {
    if (recipe.test_best) load_weights(Safetensors::read(request.folder / "best.safetensors"), parameters);
    result.test =
        evaluate(network, *test, {.batch_size = recipe.batch_size, .average = recipe.loss_average, .stop = request.stop});
  }
  return result;
}

}  // namespace tessera
