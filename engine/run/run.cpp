#include "engine/run/run.h"

#include <chrono>

#include "engine/files/csv.h"
#include "engine/report/text.h"
#include "engine/run/checkpointing.h"
#include "engine/run/report_file.h"
#include "engine/run/run_folder.h"
#include "engine/run/weights.h"

namespace tessera {
namespace {

void describe(const RunRequest& request, const ParameterStore& parameters, const Split& split, const Console& console) {
  const RunConfig& config = request.config;
  console.note("device   " + parameters.device()->choice());
  console.note("network  " + config.network + ", " + with_thousands(parameters.trainable_count()) + " trainable parameters");
  console.note("data     " + with_thousands(split.train.count) + " training images, " +
               (split.validate_on_test       ? "validation on the " + with_thousands(split.test.count) + " test images"
                : split.validation.count > 0 ? with_thousands(split.validation.count) + " validation and " +
                                                   with_thousands(split.test.count) + " test images"
                                             : with_thousands(split.test.count) + " test images"));
  console.note("recipe   " + config.recipe.id + ": " + kind_of(config.recipe.optimizer) + ", learning rate " +
               csv_number(learning_rate_of(config.recipe.optimizer)) + ", batch " +
               std::to_string(config.recipe.batch_size) + ", " + std::to_string(config.recipe.epochs) +
               (config.recipe.epochs == 1 ? " epoch" : " epochs"));
  console.note("run      " + request.folder.string());
}

}  // namespace

std::shared_ptr<Device> open_device(const RunConfig& config) {
  return Device::open({.device = config.device,
                       .options = {.threads = config.threads,
                                   .deterministic = config.deterministic,
                                   .direct_convolution = config.direct_convolution},
                       .precision = precision_of(config.precision),
                       .kernels = config.kernels});
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
  if (!resumed && !config.weights.empty())
    for (const std::string& note : load_weights(Safetensors::read(config.weights), parameters)) console.note(note);
  write_file_atomically(checkpoints.run_folder() / "config.json", bytes_of(config_json), ExitCode::weights);
  describe(request, parameters, split, console);

  BatchSource train(DeviceImages::upload(split.train, device),
                    gather_params(recipe.normalization, recipe.augment, config.seed));
  const kernels::GatherParams plain = gather_params(recipe.normalization, false, config.seed);
  std::optional<BatchSource> test, validation;
  if (split.test.count > 0) test.emplace(DeviceImages::upload(split.test, device), plain);
  if (split.validation.count > 0) validation.emplace(DeviceImages::upload(split.validation, device), plain);
  const BatchSource* validate_on = split.validate_on_test ? &*test : validation ? &*validation : nullptr;

  Fit fit(network, parameters, *optimizer, train, validate_on, plan_of(config, request.stop), std::move(state));
  if (fit.host_state().step > 0)
    console.note("resuming after step " + with_thousands(fit.host_state().step) + " of " +
                 with_thousands(fit.total_steps()));
  HistoryFile history(checkpoints.run_folder() / "history.csv", recipe.top5);
  BestWeights best(checkpoints.run_folder() / "best.safetensors", parameters, metadata);
  ConsoleProgress progress(console, recipe);
  CheckpointWriter checkpoint_writer(checkpoints, parameters, *optimizer, config_json);
  for (FitObserver* observer : std::initializer_list<FitObserver*>{&history, &best, &progress, &checkpoint_writer})
    fit.add(*observer);

  RunResult result{.end = fit.run(), .test = std::nullopt};
  RunReport report(checkpoints.run_folder() / "report.html", config, parameters);
  report.add_training(fit, result.end);
  report.write();  // what there is, should the closing evaluation be stopped
  if (result.end == FitEnd::stopped) return result;
  save_weights(checkpoints.run_folder() / "last.safetensors", parameters, metadata);
  if (recipe.test_best && (test || validation))
    load_weights(Safetensors::read(checkpoints.run_folder() / "best.safetensors"), parameters);
  const auto close = [&](const BatchSource& source, const ImageSet& images, const char* kind) {
    const auto start = std::chrono::steady_clock::now();
    const Evaluation e = evaluate(network, source,
                                  {.batch_size = recipe.batch_size,
                                   .average = recipe.loss_average,
                                   .stop = request.stop,
                                   .on_batch = report.watch(images, kind, split.classes)});
    report.add_evaluation(e, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    return e;
  };
  if (test)
    result.test = close(*test, split.test, "test");
  else if (validation)
    close(*validation, split.validation, "validation");
  report.write();
  return result;
}

}  // namespace tessera
