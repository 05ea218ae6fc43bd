// train_<network> DATA: trains one network of the catalogue with its own recipe.
#include <CLI/CLI.hpp>

#include "apps/options.h"
#include "apps/program.h"
#include "apps/signals.h"
#include "apps/values.h"
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
  config.seed = entry.recipe.seed;

  CLI::App app(std::string("Trains ") + entry.description + " (recipe " + entry.recipe.id + ").");
  TrainOptions options;
  OutputOptions output;
  std::string data, out, resume, recipe = "tutorial";
  app.add_option("DATA", data, data_help());
  CLI::Option* const recipe_option =
      app.add_option("--recipe", recipe, "The tutorial's, or one for a high accuracy in few epochs on a GPU")
          ->check(one_of({"tutorial", "fast"}))
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
    RunRequest request{.config = config, .folder = resume, .resume = !resume.empty(), .stop = stop.flag()};
    try {
      if (request.resume) {
        const fs::path file = request.folder / "config.json";
        request.config = parse_run_config(std::string(text_of(read_file(file, 1 << 20, ExitCode::weights))), file.string());
        if (request.config.network != entry.id)
          throw UsageError(resume + " is a run of " + request.config.network + ": use train_" + request.config.network);
      } else {
        request.config.recipe = entry.recipe_called(recipe);
        request.config.precision = to_word(request.config.recipe.precision);
        request.config.seed = request.config.recipe.seed;
        request.folder = out.empty() ? new_run_folder(entry.id) : fs::path(out);
      }
      options.apply(request.config);
      if (!data.empty()) request.config.data = data;
      if (request.config.data.empty()) throw UsageError("no DATA given; see " + app.get_name() + " --help");

      const std::shared_ptr<Device> device = open_device(request.config);
      Dataset dataset = open_dataset(request.config.data, {.seed = request.config.seed, .stop = stop.flag()});
      const std::unique_ptr<Network> network = entry.make(request.config.network_options);
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
