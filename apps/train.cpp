// train_<network> DATA: trains one network of the catalogue with its own recipe.
#include <CLI/CLI.hpp>

#include "apps/options.h"
#include "apps/program.h"
#include "apps/signals.h"
#include "apps/verbs.h"
#include "engine/data/open.h"
#include "engine/run/run.h"
#include "models/catalogue.h"

namespace {

using namespace tessera;
namespace fs = std::filesystem;

}  // namespace

int tessera::train_main(const char* network_id, int argc, char** argv) {
  const NetworkEntry& entry = require_network(network_id);
  RunConfig config;
  config.network = entry.id;
  config.recipe = entry.recipe;

  CLI::App app(std::string("Trains ") + entry.description + " (recipe " + entry.recipe.id + ").");
  TrainOptions options;
  OutputOptions output;
  std::string data, out, resume, recipe = "tutorial";
  app.add_option("DATA", data, "CIFAR-10 folder, Fashion-MNIST folder, or the word synthetic; see the README");
  CLI::Option* const recipe_option =
      app.add_option("--recipe", recipe, "The tutorial's, or one for a high accuracy in few epochs on a GPU")
          ->check(CLI::IsMember({"tutorial", "fast"}))
          ->capture_default_str();
  add_train_options(app, options, config);
  add_network_options(app, options.compute);
  add_compute_options(app, options.compute, config);
  app.add_option("--out", out, "Run folder")->default_str("runs/<network>-<time>/");
  app.add_option("--resume", resume, "Go on in this run folder with its options; those given again win")
      ->excludes("--out")
      ->excludes(recipe_option);
  add_output_options(app, output);

  return run_program(app, argc, argv, [&] {
    StopOnSignal stop;
    const Console console(output.verbosity());
    RunRequest request{
        .config = config, .folder = resume, .new_data = !data.empty(), .stop = stop.flag(), .save = stop.save_flag()};
    try {
      if (!resume.empty()) {
        request.config = read_run_config(request.folder);
        if (request.config.new_head) throw UsageError(resume + " is a fine-tuning run: use finetune --resume " + resume);
        if (request.config.network != entry.id)
          throw UsageError(resume + " is a run of " + request.config.network + ": use train_" + request.config.network);
        if (options.weights) throw UsageError("--weights starts a new run, --resume goes on with one: give either");
        request.resumed = request.config;
      } else {
        request.config.recipe = entry.recipe_called(recipe);
      }
      options.apply(request.config);
      if (!data.empty()) request.config.data = absolute_if_path(data);
      if (request.config.data.empty()) throw UsageError("no DATA given; see " + app.get_name() + " --help");

      const std::shared_ptr<Device> device = open_device(request.config);
      Dataset dataset = open_dataset(request.config.data, {.seed = request.config.recipe.seed, .stop = stop.flag()});
      const std::unique_ptr<Network> network = entry.make(request.config.network_options);
      if (resume.empty()) request.folder = out.empty() ? new_run_folder(entry.id) : fs::path(out);
      const RunResult result = run_training(request, *network, std::move(dataset), device, console);
      if (result.end == FitEnd::stopped) throw Interrupted("training stopped");
      console.result("results in " + request.folder.string());
      if (result.test) {
        console.result(test_line(*result.test));
        console.object(evaluation_json(*result.test));
      }
      return 0;
    } catch (const Interrupted&) {
      if (fs::exists(request.folder / "config.json"))  // else nothing had begun
        console.note("stopped; go on with: " + app.get_name() + " --resume " + request.folder.string());
      return stop.exit_code();
    }
  });
}
