// finetune WEIGHTS DATA --classes horse,ship: transfer learning. A trained network gets a new head for other classes, which
// is trained alone first, then with everything else.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "apps/data.h"
#include "apps/options.h"
#include "apps/program.h"
#include "apps/training.h"
#include "apps/values.h"
#include "apps/verbs.h"
#include "engine/files/weights_file.h"
#include "models/saved_network.h"

namespace {

using namespace tessera;

// The tutorial's transfer: frozen for five epochs (R000b), then ten epochs of everything (R000c).
Recipe transfer_recipe() {
  Recipe recipe;
  recipe.id = "R000b, R000c";
  recipe.validation = Validation::test_set;
  recipe.batch_size = 32;
  recipe.epochs = 10;
  recipe.optimizer = Sgd::Options{.learning_rate = 0.01};
  return recipe;
}

struct FinetuneOptions {
  ComputeOptions compute;
  SharingOptions sharing;
  std::vector<std::string> classes;
  std::int64_t epochs_frozen = 5, epochs = 10;
  double lr_frozen = 0.01, lr = 0.01;
  std::optional<std::int64_t> limit_train, limit_test;

  // Into the run's two phases; of a resumed run, what was given alone.
  void apply(const CLI::App& app, RunConfig& config, bool resumed) const {
    const auto given = [&](const char* option) { return !resumed || app.count(option) > 0; };
    Phase &frozen = config.phases[0], &all = config.phases[1];
    if (given("--epochs-frozen")) frozen.epochs = epochs_frozen;
    if (given("--epochs")) all.epochs = epochs;
    if (given("--lr")) all.learning_rate = lr;
    if (given("--lr-frozen")) frozen.learning_rate = lr_frozen;
    config.recipe.epochs = frozen.epochs + all.epochs;
    if (limit_train) config.limit_train = limit_train;
    if (limit_test) config.limit_test = limit_test;
    compute.apply(config);
    sharing.apply(config);
  }
};

void add_finetune_options(CLI::App& app, FinetuneOptions& o, const RunConfig& defaults) {
  app.add_option("--classes", o.classes,
                 "Names of the classes to tell apart, the first is label 0; two classes share one sigmoid output")
      ->delimiter(',')
      ->allow_extra_args(false);  // what follows behind a blank is WEIGHTS
  const char* group = "Training";
  app.add_option("--epochs-frozen", o.epochs_frozen, "Epochs of the new head alone; 0: none")
      ->capture_default_str()
      ->check(number<std::int64_t>({.least = 0, .most = 1e9}))
      ->group(group);
  app.add_option("--epochs", o.epochs, "Epochs of all parameters after that; 0: none")
      ->capture_default_str()
      ->check(number<std::int64_t>({.least = 0, .most = 1e9}))
      ->group(group);
  app.add_option("--lr-frozen", o.lr_frozen, "Learning rate of the new head alone")
      ->capture_default_str()
      ->check(number<double>({.least = 0, .above = true}))
      ->group(group);
  app.add_option("--lr", o.lr, "Learning rate of all parameters")
      ->capture_default_str()
      ->check(number<double>({.least = 0, .above = true}))
      ->group(group);
  for (const auto& [name, value, help] :
       {std::tuple{"--limit-train", &o.limit_train, "Use the first N training images of these classes"},
        std::tuple{"--limit-test", &o.limit_test, "Use the first N test images of these classes"}})
    app.add_option_function<std::int64_t>(
           name, [value = value](const std::int64_t& given) { *value = given; }, help)
        ->check(number<std::int64_t>({.least = 1}))
        ->default_str("all")
        ->group(group);
  add_compute_options(app, o.compute, defaults);
  add_sharing_options(app, o.sharing, defaults);
}

std::int64_t outputs_for(std::size_t classes) { return classes == 2 ? 1 : static_cast<std::int64_t>(classes); }

// The configuration of a new run: the file's network with another head, the transfer's recipe, the file's normalisation.
RunConfig config_for(const FinetuneOptions& o, RunConfig config) {
  std::vector<std::string> sorted = o.classes;
  std::sort(sorted.begin(), sorted.end());
  const bool one_word = o.classes.size() == 1 && o.classes[0].find(' ') == std::string::npos;
  if (o.classes.empty() || one_word || std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
    throw UsageError("--classes: give two or more different names");
  if (o.epochs_frozen + o.epochs == 0) throw UsageError("--epochs-frozen and --epochs are both 0: nothing would be trained");
  Recipe recipe = transfer_recipe();
  recipe.normalization = config.recipe.normalization;
  recipe.seed = config.recipe.seed;
  config.recipe = recipe;
  config.network_options.outputs = outputs_for(o.classes.size());
  config.new_head = true;
  config.phases = {{.frozen = true, .validate = false}, {}};
  return config;
}

}  // namespace

int tessera::finetune_main(int argc, char** argv) {
  CLI::App app("Transfer learning: gives saved weights a new head for other classes and trains it.");
  RunConfig defaults;
  defaults.recipe = transfer_recipe();
  FinetuneOptions options;
  DataOptions data_options;
  OutputOptions output;
  RankOptions rank_options;
  std::string weights, data, network_id, out, resume;
  app.add_option("WEIGHTS", weights, weights_help() + " (not with --resume)");
  app.add_option("DATA", data, data_help());
  add_finetune_options(app, options, defaults);
  app.add_option("--network", network_id, "For weights of another program: which network they are of")
      ->default_str("the file's");
  add_network_options(app, options.compute);
  add_data_options(app, data_options);
  app.add_option("--out", out, "Run folder")->default_str("runs/finetune-<network>-<time>/");
  app.add_option("--resume", resume, "Go on in this run folder with its options; those given again win")
      ->excludes("--out")
      ->excludes("--classes")
      ->excludes("--network");
  add_output_options(app, output);
  add_rank_options(app, rank_options);

  const auto body = [&](SignalFlags& signals, const Ranks& ranks) {
    const Console console(output.verbosity(), false, ranks.speaker);
    RunRequest request{.config = {}, .folder = resume.empty() ? out : resume};
    RunConfig& config = request.config;
    try {
      if (!resume.empty()) {
        if (!data.empty()) throw UsageError("WEIGHTS start a new run; with --resume give DATA alone, or nothing");
        config = read_run_config(request.folder, ranks);
        if (!config.new_head || config.phases.size() != 2)
          throw UsageError(resume + " is not a fine-tuning run: use train_" + config.network + " --resume " + resume);
        request.resumed = config;
        request.new_data = !weights.empty();
        if (request.new_data) config.data = remembered_path(weights);  // the only word given
      } else {
        if (data.empty()) throw UsageError("give WEIGHTS and DATA; see " + app.get_name() + " --help");
        if (options.classes.empty()) throw UsageError("--classes is required: the classes to tell apart");
        config = config_of(read_weights(weights), network_id);
        config.weights = remembered_path(weights);
        config.data = remembered_path(data);
        config = config_for(options, std::move(config));
      }
      options.apply(app, config, !resume.empty());
      data_options.apply(config);
      Dataset dataset = open_for(request, signals, console);
      if (resume.empty()) {
        config.recipe.classes = labels_of(dataset, options.classes);
        // Only the data tells one name with a blank in it from several names with blanks between them.
        if (config.recipe.classes.size() < 2) throw UsageError("--classes: give two or more different names");
        if (options.classes.size() == 1) config.network_options.outputs = outputs_for(config.recipe.classes.size());
      }
      return run_and_report(request, std::move(dataset), ranks, console, signals, "finetune-" + config.network,
                            app.get_name());
    } catch (const Interrupted&) {
      return signals.exit_code();  // while loading
    }
  };
  return run_program(app, argc, argv, [&] {
    SignalFlags signals;
    return run_as_rank(rank_options, [&](const Ranks& ranks) { return body(signals, ranks); });
  });
}
