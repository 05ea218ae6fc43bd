#include "engine/run/run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "engine/files/csv.h"
#include "engine/files/weights_file.h"
#include "engine/parallel/watch.h"
#include "engine/report/text.h"
#include "engine/run/checkpointing.h"
#include "engine/run/head.h"
#include "engine/run/own_names.h"
#include "engine/run/report_file.h"
#include "engine/run/run_folder.h"
#include "engine/run/tensorboard.h"
#include "engine/run/weights.h"
#include "engine/train/initialize.h"
#include "engine/train/views.h"

namespace tessera {
namespace {

std::string epochs_text(std::int64_t epochs) { return std::to_string(epochs) + (epochs == 1 ? " epoch" : " epochs"); }

std::string optimizer_text(const Recipe& recipe) {
  return std::string(kind_of(recipe.optimizer)) + ", learning rate " + csv_number(learning_rate_of(recipe.optimizer));
}

void describe(const RunRequest& request, const ParameterStore& parameters, const Split& split, const Communicator& ranks,
              const Console& console) {
  const RunConfig& config = request.config;
  const std::string choice = parameters.device()->choice();
  const std::size_t why = std::min(choice.find(" ("), choice.size());
  console.note("device   " + choice.substr(0, why));
  if (why < choice.size()) console.note("        " + choice.substr(why));
  console.note("network  " + config.network + ", " + with_thousands(parameters.trainable_count()) + " trainable parameters" +
               (config.network_options.channels == 1 ? ", of grey images" : "") +
               (config.new_head ? ", of " + config.weights + " with a new head" : ""));
  console.note("data     " + with_thousands(split.train.count) + " training images, " +
               (split.validate_on_test       ? "validation on the " + with_thousands(split.test.count) + " test images"
                : split.validation.count > 0 ? with_thousands(split.validation.count) + " validation and " +
                                                   with_thousands(split.test.count) + " test images"
                                             : with_thousands(split.test.count) + " test images"));
  if (config.phases.empty())
    console.note("recipe   " + config.recipe.id + ": " + optimizer_text(config.recipe) + ", batch " +
                 std::to_string(config.recipe.batch_size) + ", " + epochs_text(config.recipe.epochs));
  if (ranks.size() > 1)
    console.note("ranks    " + std::to_string(ranks.size()) + ", each with its share of a batch: " +
                 std::to_string(std::max<std::int64_t>(config.recipe.accumulate, ranks.size())) + " parts" +
                 (config.recipe.sync_batch_norm ? ", batch norm by the statistics of all" : "") +
                 (config.recipe.bf16_wire ? ", gradients sent in bf16" : "") +
                 (config.shard_optimizer ? ", each with its share of what the optimiser remembers" : ""));
  console.note("run      " + request.folder.string());
}

// Ranks of one host exchange by copies that the processors make which compute: there is nothing to hide, and all at once is
// faster (docs/scaling.md).
std::optional<std::int64_t> bucket_bytes_of(const RunConfig& config, Communicator& ranks) {
  if (config.bucket) return static_cast<std::int64_t>(*config.bucket * 1e6);
  const std::vector<std::string> hosts = all_gather(ranks, host_name());
  const bool one_host = std::all_of(hosts.begin(), hosts.end(), [&](const std::string& host) { return host == hosts[0]; });
  return one_host ? std::optional(std::numeric_limits<std::int64_t>::max()) : std::nullopt;
}

DataDigests digests_of(const Split& split) { return {digest(split.train), digest(split.validation), digest(split.test)}; }

// A resumed run must see the images that it had, unless it was told of others.
void check_data(const DataDigests& before, const Split& split, const RunRequest& request, const Console& console) {
  if (before.train.empty()) return;
  const DataDigests now = digests_of(split);
  std::string changed;
  for (const auto& [name, a, b] :
       {std::tuple{"training", &before.train, &now.train}, std::tuple{"validation", &before.validation, &now.validation},
        std::tuple{"test", &before.test, &now.test}})
    if (*a != *b) changed += (changed.empty() ? "" : ", ") + std::string(name);
  if (changed.empty()) return;
  if (!request.new_data)
    throw DataError(request.config.data + ": its " + changed + " images are not those that this run was trained with; " +
                    "to go on with what is there now, give DATA together with --resume");
  console.warn("the run goes on with other " + changed + " images than before");
}

// Phases that have something to do; the last one at least.
std::vector<Phase> phases_to_run(const RunConfig& config) {
  std::vector<Phase> phases = phases_of(config);
  const Phase last = phases.back();
  std::erase_if(phases, [](const Phase& phase) { return phase.epochs == 0; });
  if (phases.empty()) phases.push_back(last);
  return phases;
}

}  // namespace

RunConfig read_run_config(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "config.json";
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) {  // a checkpoint of it, perhaps, or weights
    for (std::filesystem::path above = std::filesystem::absolute(folder, ignored).lexically_normal();
         above.has_relative_path(); above = above.parent_path())
      if (std::filesystem::exists(above / "config.json", ignored))
        throw WeightsError(folder.string() + ": is in the run folder " + above.string() + "; give that one");
    if (std::filesystem::is_directory(folder, ignored))
      throw WeightsError(folder.string() + ": no run folder: it has no config.json");
  }
  return parse_run_config(std::string(text_of(read_file(file, 1 << 20, ExitCode::weights))), file.string());
}

namespace {

DeviceRequest device_request(const RunConfig& config) {
  return {.device = config.device,
          .options = {.threads = config.threads,
                      .deterministic = config.deterministic,
                      .direct_convolution = config.direct_convolution},
          .precision = config.recipe.precision,
          .kernels = config.kernels};
}

}  // namespace

std::shared_ptr<Device> open_device(const RunConfig& config, const Seat& seat) {
  return Device::open(device_request(seated(config, seat)));
}

std::shared_ptr<Device> open_device(const RunConfig& config, Profile& profile) {
  const std::shared_ptr<Device> real = open_device(config);
  if (real->stream().device != 0)
    throw UsageError("--profile looks at the first GPU: let CUDA_VISIBLE_DEVICES choose it, with --device cuda");
  return Device::open(device_request(config), profile.in_front_of(real->backend()));
}

void add_input(Metadata& metadata, const NetworkOptions& options) {
  if (options.image_size) metadata["image_size"] = std::to_string(*options.image_size);
  if (options.channels != NetworkOptions().channels) metadata["channels"] = std::to_string(options.channels);
}

Metadata weights_metadata(const RunConfig& config, std::int64_t outputs, const std::vector<std::string>& classes) {
  std::string names, labels;
  for (const std::string& name : classes) names += (names.empty() ? "" : ",") + name;
  for (const std::int32_t label : config.recipe.classes) labels += (labels.empty() ? "" : ",") + std::to_string(label);
  Metadata metadata = {{"network", config.network},
                       {"outputs", std::to_string(outputs)},
                       {"residual", config.network_options.residual ? "true" : "false"},
                       {"normalization", config.recipe.normalization.text()},
                       {"classes", names},
                       {"labels", labels}};
  add_input(metadata, config.network_options);
  return metadata;
}

std::string test_line(const Evaluation& test) {
  return "test: accuracy " + format_fixed(test.accuracy, 4) + " top-5 " + format_fixed(test.top5, 4) + " loss " +
         format_fixed(test.loss, 4) + (test.one_view ? " one view " + format_fixed(*test.one_view, 4) : "");
}

RunResult run_training(const RunRequest& request, Network& network, Dataset&& dataset, const std::shared_ptr<Device>& device,
                       const Console& console) {
  const RunConfig& config = request.config;
  const Recipe& recipe = config.recipe;
  const std::string config_json = to_json(config);
  Alone alone;
  Communicator& ranks = request.ranks ? *request.ranks : alone;
  const bool first = ranks.rank() == 0;  // who reads and writes files
  require_alike(ranks, config, *device);
  for (const std::string& warning : dataset.warnings) console.warn(warning);
  const Split split = split_for(std::move(dataset), recipe, {config.limit_train, config.limit_test}, network.outputs(),
                                {.known_classes = request.known_classes});
  for (const std::string& line : split.cuts) console.note("data     " + line);
  for (const std::string& note : split.notes) console.warn(note);

  // What the weights come from is compared with the network before a ParameterStore takes memory for it: how large that
  // is may be what a file says.
  std::vector<std::string> head_names;
  if (config.new_head) head_names = head_parameters(network);
  std::optional<TensorFile> initial;
  std::vector<std::string> initial_notes;
  const auto read_initial = [&] {
    if (config.weights.empty() || !first) return;
    initial = own_names(read_weights(config.weights), network, initial_notes);
    require_weights_of(network, *initial, head_names);
  };
  if (!request.resumed) read_initial();
  std::optional<CheckpointStore> checkpoints;
  if (first) checkpoints.emplace(request.folder);
  const std::filesystem::path folder = checkpoints ? checkpoints->run_folder() : request.folder;
  if (first && !request.resumed) require_no_run(*checkpoints, request.folder);
  std::optional<Checkpoint> checkpoint;
  if (request.resumed) {
    for (const std::string& change : differences(*request.resumed, config)) console.note("changed  " + change);
    std::vector<std::string> notes;
    if (first) checkpoint = checkpoints->load_newest(notes);
    broadcast(ranks, checkpoint);
    for (const std::string& note : notes) console.warn(note);
    if (checkpoint) {
      require_checkpoint_of(network, *checkpoint);
    } else {
      console.warn(request.folder.string() + " holds no checkpoint yet: starting from the beginning");
      read_initial();
    }
  }

  ParameterStore parameters(network, device, recipe.seed);
  if (request.profile) request.profile->name(parameters);
  const Metadata metadata = weights_metadata(config, network.outputs(), split.classes);
  std::vector<Parameter*> head;
  if (config.new_head) {
    head = head_of(network, parameters);
    initialize_head(head, recipe.seed);
  }
  FitState state;
  if (checkpoint) {
    Resumed resumed = restore(*checkpoint, parameters);
    check_data(resumed.data, split, request, console);
    state = std::move(resumed.state);
  } else if (initial) {
    for (const std::string& note : initial_notes) console.note(note);
    for (const std::string& note : load_weights(*initial, parameters, head_names)) console.note(note);
    initial.reset();
  } else {
    initialize_from(network, parameters, split.train, recipe.normalization);
  }
  broadcast_weights(ranks, parameters);
  if (ranks.size() > 1)
    for (const auto& [name, set] :
         {std::pair{"training", &split.train}, std::pair{"validation", &split.validation}, std::pair{"test", &split.test}})
      require_same_images(ranks, name, digest(*set));
  if (first) write_file_atomically(folder / "config.json", bytes_of(config_json), ExitCode::weights);
  describe(request, parameters, split, ranks, console);

  ImageBatches train(DeviceImages::upload(split.train, device), recipe.normalization, recipe.augment, recipe.seed);
  const kernels::GatherParams plain = gather_params(recipe.normalization, Augmentation::none, recipe.seed);
  std::optional<ImageBatches> test, validation;
  if (split.test.count > 0) test.emplace(DeviceImages::upload(split.test, device), plain);
  if (split.validation.count > 0) validation.emplace(DeviceImages::upload(split.validation, device), plain);
  const BatchSource* validate_on = split.validate_on_test ? &*test : validation ? &*validation : nullptr;

  std::optional<CheckpointWriter> checkpoint_writer;
  if (first)
    checkpoint_writer.emplace(
        *checkpoints, parameters, config_json, [&] { return digests_of(split); }, request.save);
  CheckpointPart checkpoint_part;
  HistoryFile history(folder / "history.csv", {recipe.top5, recipe.ema.has_value()}, console);
  BestWeights best(folder / "best.safetensors", parameters, metadata);
  ConsoleProgress progress(console, config.weights.empty());
  std::optional<TensorBoard> tensorboard;
  if (config.tensorboard && first) tensorboard.emplace(folder, config, parameters, split.train, split.classes, console);
  RunReport report(folder / "report.html", config, parameters);

  const std::filesystem::path last_file = folder / "last.safetensors", average_file = folder / "ema.safetensors";
  RunResult result;
  std::int64_t first_epoch = 0;
  const std::vector<Phase> phases = phases_to_run(config);
  for (std::size_t i = 0; i < phases.size(); ++i) {
    const Phase& phase = phases[i];
    const std::int64_t before = std::exchange(first_epoch, first_epoch + phase.epochs);
    if (state.epoch >= first_epoch && i + 1 < phases.size()) continue;  // done by an earlier session
    Recipe own = recipe;
    own.epochs = phase.epochs;
    own.class_weights = recipe.class_weights.resolved(split.train.labels, static_cast<std::int64_t>(split.classes.size()),
                                                      network.outputs());
    set_field(own.optimizer, "learning_rate", phase.learning_rate);
    if (!config.phases.empty()) {
      for (Parameter* parameter : parameters.parameters()) parameter->set_trainable(!phase.frozen);
      for (Parameter* parameter : head) parameter->set_trainable(true);
      console.note("phase " + std::to_string(i + 1) + ": " + with_thousands(parameters.trainable_count()) +
                   " trainable parameters, " + with_thousands(parameters.non_trainable_count()) + " fixed or statistics, " +
                   optimizer_text(own) + ", " + epochs_text(phase.epochs));
    }
    const double limit = config.max_minutes ? *config.max_minutes * 60 : 0;
    const bool in_phase = state.epoch > before || state.position > 0;  // else its optimiser begins anew
    Fit fit(network, parameters, own, train, phase.validate ? validate_on : nullptr,
            {.max_steps = config.max_steps,
             .max_seconds = limit,
             .stop = request.stop,
             .epochs_before = before,
             .ranks = &ranks,
             .bucket_bytes = bucket_bytes_of(config, ranks),
             .shard_optimizer = config.shard_optimizer},
            state);
    if (checkpoint && in_phase && !restore_memory(*checkpoint, fit.optimizer()))
      console.warn("the checkpoint is of another optimiser: what it remembers is left behind");
    if (checkpoint && fit.average() && !restore_average(*checkpoint, parameters, *fit.average()))
      console.warn("the checkpoint holds no averaged weights: the average begins with those that there are");
    if (checkpoint) {
      const std::int64_t total = fit.total_steps();
      console.note("resuming after step " + with_thousands(state.step) + " of " + with_thousands(total));
      if (total <= state.step) console.warn("the epochs and steps asked for are done: nothing is left to train");
      checkpoint.reset();
    }
    fit.add(progress);
    if (first)
      for (FitObserver* observer : std::initializer_list<FitObserver*>{&best, &*checkpoint_writer, &history})
        fit.add(*observer);
    else if (fit.shares_optimizer())
      fit.add(checkpoint_part);
    if (tensorboard) fit.add(*tensorboard);
    result.end = fit.run();
    if (first) history.complete(fit);
    report.add_training(fit, result.end);
    if (result.end == FitEnd::finished && fit.average() && first) {
      const WeightAverage::InUse averaged(*fit.average());
      save_weights(average_file, parameters, metadata);
    }
    state = fit.state();
    if (state.epoch < first_epoch) break;  // stopped, or at a limit
    state.pace.reset();                    // of this phase's schedule
  }

  if (result.end == FitEnd::finished && first) save_weights(last_file, parameters, metadata);
  if (first) report.write();  // what there is, should the closing evaluation be stopped
  if (result.end == FitEnd::stopped) return result;
  const EvaluateOptions closing_options{
      .batch_size = recipe.batch_size, .average = recipe.loss_average, .stop = request.stop, .ranks = &ranks};
  const auto take_weights = [&](const std::filesystem::path& file) {
    if (first) load_weights(Safetensors::read(file), parameters);
    broadcast_weights(ranks, parameters);
  };
  if (recipe.ema && test) {
    take_weights(average_file);
    result.average_test = evaluate(network, *test, closing_options);
    report.add_average(*result.average_test);
    take_weights(last_file);
  }
  if (recipe.test_best && (test || validation)) take_weights(folder / "best.safetensors");
  const auto close = [&](const ImageBatches& source, const ImageSet& images, const char* kind) {
    const auto start = std::chrono::steady_clock::now();
    std::optional<SixViews> views;
    if (recipe.test_views == Views::six) views.emplace(source.images(), recipe.normalization);
    EvaluateOptions options = closing_options;
    options.on_batch = report.watch(images, kind, split.classes);
    if (views) options.views = views->views();
    const Evaluation e = evaluate(network, source, options);
    report.add_evaluation(e, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    if (first) report.explain_mistakes(network, recipe, request.stop);
    if (tensorboard) tensorboard->add_mistakes(images, report.mistakes());
    return e;
  };
  std::optional<Evaluation> closing;
  if (test)
    closing = result.test = close(*test, split.test, "test");
  else if (validation)
    closing = close(*validation, split.validation, "validation");
  if (first) report.write();
  if (closing && first)
    write_file_atomically(folder / "test.json", bytes_of(evaluation_json(*closing) + "\n"), ExitCode::weights);
  if (closing && !std::isfinite(closing->loss)) {
    any(ranks, false);  // the first rank to throw ends all: not before rank 0 has written
    throw NonFiniteError("the trained network's loss is not finite (results are in " + request.folder.string() +
                         "); try a smaller --lr");
  }
  return result;
}

}  // namespace tessera
