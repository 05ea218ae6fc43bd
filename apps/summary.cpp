// summary NETWORK|WEIGHTS: the table of layers, and the counts.
#include <CLI/CLI.hpp>
#include <filesystem>

#include "apps/options.h"
#include "apps/program.h"
#include "apps/verbs.h"
#include "engine/run/model_table.h"
#include "models/saved_network.h"

int tessera::summary_main(int argc, char** argv) {
  CLI::App app("Shows the layers of a network: path, kind, output shape, parameters.");
  ComputeOptions options;
  OutputOptions output;
  std::string what;
  app.add_option("NETWORK|WEIGHTS", what, "A network's name, or a .safetensors file")->required();
  add_network_options(app, options);
  add_output_options(app, output);

  return run_program(app, argc, argv, [&] {
    const Console console(output.verbosity());
    RunConfig config;
    if (find_network(what))
      config.network = what;
    else if (std::filesystem::exists(what))
      config = config_of(Safetensors::read(what), "");
    else
      require_network(what);  // says which there are
    options.apply(config);

    const std::shared_ptr<Device> device = Device::open({.device = "cpu", .options = {.threads = 0}});
    const std::unique_ptr<Network> network = require_network(config.network).make(config.network_options);
    const ParameterStore parameters(*network, device, config.seed);
    const ModelTable table = model_table(*network, parameters);
    console.result(table.text());
    console.object(table.json());
    return 0;
  });
}
