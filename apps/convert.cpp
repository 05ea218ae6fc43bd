// convert IN OUT: weights of one program as those of another.
//
// With a network, which --network or the file itself names, names and layouts are those that the other program's model has, and the
// file must be whole. Without one, tensors go from one file to the other under their names, as far as both keep them alike.
#include <CLI/CLI.hpp>

#include "apps/options.h"
#include "apps/program.h"
#include "apps/verbs.h"
#include "engine/files/safetensors.h"
#include "engine/files/weights_file.h"
#include "engine/run/int8_file.h"
#include "engine/run/own_names.h"
#include "engine/run/run.h"
#include "engine/run/weights.h"
#include "models/saved_network.h"

namespace {

using namespace tessera;

// What the new file says of itself: all that the old one did, and what was said on the command line.
Metadata metadata_of(const TensorFile& file, const RunConfig& config, Network& network) {
  Metadata metadata = file.metadata();
  metadata["network"] = config.network;
  metadata["outputs"] = std::to_string(network.outputs());
  metadata["residual"] = config.network_options.residual ? "true" : "false";
  metadata["normalization"] = config.recipe.normalization.text();
  add_input(metadata, config.network_options);
  return metadata;
}

TensorFile file_of(const std::vector<TensorEntry>& entries, const std::string& where) {
  TensorFile file(where);
  for (const TensorEntry& entry : entries) file.add(entry);
  return file;
}

}  // namespace

int tessera::convert_main(int argc, char** argv) {
  CLI::App app("Writes weights of one program as those of another.");
  OutputOptions output;
  ComputeOptions options;
  std::string in, out, to, network_id;
  app.add_option("IN", in, weights_help())->required();
  app.add_option("OUT", out, "Where to write; its ending says what: " + formats_written())->required();
  app.add_option("--to", to, "What to write, where OUT's ending does not say it: .npz")->default_str("OUT's ending");
  app.add_option("--network", network_id, "Which network they are of")->default_str("the file's");
  add_network_options(app, options);
  add_output_options(app, output);

  return run_program(app, argc, argv, [&] {
    const WeightsFormat& format = format_to_write(to.empty() ? out : to);
    const Output file_out(out, ExitCode::weights, std::span(&in, 1));
    const Console console(output.verbosity(), file_out.is_standard_output());
    const TensorFile file = read_weights(in);
    if (is_int8(file)) throw WeightsError(file.where() + ": int8 weights are for inference alone: convert the float ones");

    std::string network_name;
    std::size_t count = file.tensors().size();
    if (network_id.empty() && !file.metadata().contains("network")) {
      if (file.names() != TensorNames::torch || format.names != TensorNames::torch)
        throw WeightsError(file.where() + ": the names and layouts of its tensors depend on the network; give --network");
      console.note("no network is named: tensors keep their names and layouts; --network checks and fits them");
      require_finite(file.tensors(), "not writing " + out);
      format.write(file_out, file.tensors(), file.metadata());
    } else {
      RunConfig config = config_of(file, network_id);
      options.apply(config);
      const SavedNetwork saved = load_network(file, config, Device::open({.device = "cpu", .options = {.threads = 1}}));
      for (const std::string& note : saved.notes) console.note(note);
      const HostTensors host = host_weights(*saved.parameters);
      const TensorFile foreign = foreign_names(file_of(host.entries(), file.where()), *saved.network, format.names);
      format.write(file_out, foreign.tensors(), metadata_of(file, config, *saved.network));
      network_name = config.network;
      count = foreign.tensors().size();
    }
    console.result(std::to_string(count) + " tensors" + (network_name.empty() ? "" : " of " + network_name) + " in " + out);
    console.object("{\"tensors\":" + std::to_string(count) +
                   (network_name.empty() ? "" : ",\"network\":\"" + network_name + "\"") + "}");
    return 0;
  });
}
