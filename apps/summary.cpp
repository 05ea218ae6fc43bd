// summary NETWORK|WEIGHTS: the table of layers, and the counts.
#include <CLI/CLI.hpp>
#include <filesystem>

#include "apps/memory.h"
#include "apps/options.h"
#include "apps/program.h"
#include "apps/verbs.h"
#include "engine/files/weights_file.h"
#include "engine/run/model_table.h"
#include "models/saved_network.h"

int tessera::summary_main(int argc, char** argv) {
  CLI::App app("Shows the layers of a network: path, kind, output shape, parameters.");
  ComputeOptions options;
  MemoryOptions memory;
  OutputOptions output;
  std::string what, network_id;
  app.add_option("NETWORK|WEIGHTS", what, "A network's name, or a file. " + weights_help())->required();
  app.add_option("--network", network_id, "For weights of another program: which network they are of")
      ->default_str("the file's");
  add_network_options(app, options);
  add_memory_options(app, memory, options);
  add_output_options(app, output);

  return run_program(app, argc, argv, [&] {
    const Console console(output.verbosity());
    const std::shared_ptr<Device> device = Device::open({.device = "cpu", .options = {.threads = 0}});
    RunConfig config;
    config.device = "cpu";
    SavedNetwork shown;
    std::error_code ignored;
    if (!find_network(what) && std::filesystem::exists(what, ignored)) {
      const TensorFile file = read_weights(what);
      config = config_of(file, network_id);
      config.device = "cpu";
      options.apply(config);
      shown = load_network(file, config, device, Int8Weights::accepted);
      for (const std::string& note : shown.notes) console.note(note);
      if (!shown.quantization.empty())
        console.note(std::to_string(shown.quantization.size()) + " of the weights are int8, the others float32");
    } else {
      config.network = what;
      config.recipe = require_network(what).recipe;
      options.apply(config);
      shown.network = require_network(what).make(config.network_options);
      shown.parameters = std::make_unique<ParameterStore>(*shown.network, device, config.recipe.seed);
    }
    const ModelTable table = model_table(*shown.network, *shown.parameters);
    console.result(table.text());
    console.object(table.json());
    if (memory.wanted) print_memory(config, memory, console);
    return 0;
  });
}
