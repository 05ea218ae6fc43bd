// finetune WEIGHTS DATA --classes horse,ship: transfer learning. A trained network gets a new head for other classes, which
// is trained alone first, then with everything else.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "apps/options.h"
#include "apps/program.h"
#include "apps/signals.h"
#include "apps/values.h"
#include "apps/verbs.h"
#include "engine/data/open.h"
#include "engine/run/finetune.h"
#include "models/saved_network.h"

namespace {

using namespace tessera;
namespace fs = std::filesystem;

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
  std::vector<std::string> classes;
  std::int64_t epochs_frozen = 5, epochs = 10;
  double lr_frozen = 0.01, lr = 0.01;
  std::optional<std::int64_t> limit_train, limit_test;
};

void add_finetune_options(CLI::App& app, FinetuneOptions& o, const RunConfig& defaults) {
  app.add_option("--classes", o.classes,
                 "Names of the classes to tell apart, the first is label 0; two classes share one sigmoid output")
      ->delimiter(',')
      ->allow_extra_args(false)  // what follows behind a blank is WEIGHTS
      ->required();
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
}

// The configuration of the run: the file's network with another head, the transfer's recipe, the file's normalisation.
FinetuneRequest request_for(const FinetuneOptions& o, RunConfig config, const Dataset& dataset) {
  std::vector<std::string> sorted = o.classes;
  std::sort(sorted.begin(), sorted.end());
  if (o.classes.size() < 2 || std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
    throw UsageError("--classes: give two or more different names");
  if (o.epochs_frozen + o.epochs == 0) throw UsageError("--epochs-frozen and --epochs are both 0: nothing would be trained");
  const Normalization normalization = config.recipe.normalization;
  config.recipe = transfer_recipe();
  config.recipe.normalization = normalization;
  config.recipe.epochs = o.epochs;
  set_field(config.recipe.optimizer, "learning_rate", o.lr);
  config.recipe.classes = labels_of(dataset, o.classes);
  config.network_options.outputs = o.classes.size() == 2 ? 1 : static_cast<std::int64_t>(o.classes.size());
  config.limit_train = o.limit_train, config.limit_test = o.limit_test;
  o.compute.apply(config);
  return {.config = config, .frozen_epochs = o.epochs_frozen, .frozen_learning_rate = o.lr_frozen, .folder = {}};
}

}  // namespace

int tessera::finetune_main(int argc, char** argv) {
  CLI::App app("Transfer learning: gives saved weights a new head for other classes and trains it.");
  RunConfig defaults;
  defaults.recipe = transfer_recipe();
  FinetuneOptions options;
  OutputOptions output;
  std::string weights, data, network_id, out;
  app.add_option("WEIGHTS", weights, "A .safetensors file")->required();
  app.add_option("DATA", data, data_help())->required();
  add_finetune_options(app, options, defaults);
  app.add_option("--network", network_id, "For weights of another program: which network they are of")
      ->default_str("the file's");
  add_network_options(app, options.compute);
  app.add_option("--out", out, "Run folder")->default_str("runs/finetune-<network>-<time>/");
  add_output_options(app, output);

  return run_program(app, argc, argv, [&] {
    StopOnSignal stop;
    const Console console(output.verbosity());
    fs::path folder;
    try {
      const Safetensors file = Safetensors::read(weights);
      RunConfig config = config_of(file, network_id);
      config.weights = weights;
      config.data = data;
      Dataset dataset = open_dataset(data, {.seed = config.seed, .stop = stop.flag()});
      FinetuneRequest request = request_for(options, std::move(config), dataset);
      folder = request.folder = out.empty() ? new_run_folder("finetune-" + request.config.network) : fs::path(out);
      if (fs::exists(folder / "config.json")) throw UsageError(folder.string() + " already holds a run: give another --out");
      request.stop = stop.flag();

      const std::shared_ptr<Device> device = open_device(request.config);
      const std::unique_ptr<Network> network = require_network(request.config.network).make(request.config.network_options);
      const RunResult result = run_finetuning(request, *network, file, std::move(dataset), device, console);
      if (result.end == FitEnd::stopped) throw Interrupted("training stopped");
      console.result("results in " + folder.string());
      if (result.test) {
        console.result(test_line(*result.test));
        console.object(evaluation_json(*result.test));
      }
      return 0;
    } catch (const Interrupted&) {
      console.note(fs::exists(folder / "last.safetensors") ? "stopped; what was learned so far is in " + folder.string()
                                                           : std::string("stopped"));
      return stop.exit_code();
    }
  });
}
