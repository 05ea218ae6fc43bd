// train_<network> DATA: trains one network of the catalogue with its own recipe.
#include <CLI/CLI.hpp>

#include "apps/data.h"
#include "apps/options.h"
#include "apps/program.h"
#include "apps/training.h"
#include "apps/values.h"
#include "apps/verbs.h"
#include "models/catalogue.h"

namespace {

using namespace tessera;

}  // namespace

int tessera::train_main(const char* network_id, int argc, char** argv) {
  const NetworkEntry& entry = require_network(network_id);
  RunConfig config;
  config.network = entry.id;
  config.recipe = entry.recipe;

  CLI::App app(std::string("Trains ") + entry.description + " (recipe " + entry.recipe.id + ").");
  TrainOptions options;
  DataOptions data_options;
  OutputOptions output;
  RankOptions rank_options;
  std::string data, out, resume, recipe = "tutorial";
  app.add_option("DATA", data, data_help());
  CLI::Option* const recipe_option =
      app.add_option("--recipe", recipe, "The tutorial's, or one for a high accuracy in few epochs on a GPU")
          ->check(one_of({"tutorial", "fast"}))
          ->capture_default_str();
  add_train_options(app, options, config);
  add_network_options(app, options.compute);
  add_data_options(app, data_options);
  add_compute_options(app, options.compute, config);
  add_sharing_options(app, options.sharing, config);
  app.add_option("--out", out, "Run folder")->default_str("runs/<network>-<time>/");
  app.add_option("--resume", resume, "Go on in this run folder with its options; those given again win")
      ->excludes("--out")
      ->excludes(recipe_option);
  bool find_lr = false;
  app.add_flag("--find-lr", find_lr, "Train nothing: sweep the learning rate, draw the losses, suggest a rate")
      ->excludes("--resume");
  std::string profile;
  app.add_option("--profile", profile,
                 "Write a trace of layers and kernels for Perfetto or Chrome, and say what was slowest: for a few --steps")
      ->default_str("none")
      ->excludes("--find-lr");
  add_output_options(app, output);
  add_rank_options(app, rank_options);

  const auto body = [&](SignalFlags& signals, const Ranks& ranks) {
    const Console console(output.verbosity(), false, ranks.speaker);
    RunRequest request{.config = config, .folder = resume.empty() ? out : resume, .new_data = !data.empty()};
    try {
      if (!resume.empty()) {
        request.config = read_run_config(request.folder, ranks);
        if (request.config.new_head) throw UsageError(resume + " is a fine-tuning run: use finetune --resume " + resume);
        if (request.config.network != entry.id)
          throw UsageError(resume + " is a run of " + request.config.network + ": use train_" + request.config.network);
        if (options.weights) throw UsageError("--weights starts a new run, --resume goes on with one: give either");
        request.resumed = request.config;
      } else {
        request.config.recipe = entry.recipe_called(recipe);
      }
      options.apply(request.config);
      data_options.apply(request.config);
      if (!data.empty()) request.config.data = remembered_path(data);
      if (request.config.data.empty()) throw UsageError("no DATA given; see " + app.get_name() + " --help");
      Dataset dataset = open_for(request, signals, console);
      if (find_lr && ranks.communicator.size() > 1)
        throw UsageError("--find-lr runs in one process: start it without mpirun");
      if (find_lr) return find_rate_and_report(request, std::move(dataset), console, signals);
      if (!profile.empty() && ranks.communicator.size() > 1)
        throw UsageError("--profile looks at one process: start it without mpirun");
      return run_and_report(request, std::move(dataset), ranks, console, signals, entry.id, app.get_name(), profile);
    } catch (const Interrupted&) {
      return signals.exit_code();  // while loading
    }
  };
  return run_program(app, argc, argv, [&] {
    SignalFlags signals;
    return run_as_rank(rank_options, [&](const Ranks& ranks) { return body(signals, ranks); });
  });
}
