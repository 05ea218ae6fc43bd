// export WEIGHTS --txt FILE, --onnx FILE, --int8 FILE: the weights, or the whole network, in forms that other programs read, or
// that take a quarter of the bytes.
//
// The text form has three lines for every trainable variable, in the order of their creation: its name, its shape as a
// Python tuple, and all its values in row-major order with the fewest digits that give the same float32 again.
// NumPy reads a variable back by np.fromstring(line3, sep=" ").reshape(shape).
#include <CLI/CLI.hpp>
#include <array>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/data.h"
#include "apps/options.h"
#include "apps/program.h"
#include "apps/signals.h"
#include "apps/values.h"
#include "apps/verbs.h"
#include "engine/files/output.h"
#include "engine/files/weights_file.h"
#include "engine/run/console.h"
#include "engine/run/int8_file.h"
#include "engine/run/onnx_trace.h"
#include "engine/run/run.h"
#include "engine/run/split.h"
#include "engine/run/weights.h"
#include "engine/train/calibrate.h"
#include "models/keras_names.h"
#include "models/saved_network.h"

namespace {

using namespace tessera;

// Trainable variables under our own names, in the layouts of weights files: filters [out, in, height, width], linear
// weights [out, in].
std::vector<NamedValues> own_variables(const ParameterStore& parameters) {
  const HostTensors host = host_weights(parameters);
  const std::vector<TensorEntry> entries = host.entries();
  std::vector<NamedValues> variables;
  for (std::size_t i = 0; i < parameters.parameters().size(); ++i) {
    if (!parameters.parameters()[i]->trainable()) continue;
    NamedValues variable{.name = entries[i].name, .shape = entries[i].shape};
    variable.values.resize(static_cast<std::size_t>(entries[i].count()));
    std::memcpy(variable.values.data(), entries[i].bytes.data(), entries[i].bytes.size());
    variables.push_back(std::move(variable));
  }
  return variables;
}

// ---- text --------------------------------------------------------------------------------------------------------------

std::string to_text(const NamedValues& variable) {
  std::string text = variable.name + "\n(";
  for (std::size_t i = 0; i < variable.shape.size(); ++i) text += (i ? ", " : "") + std::to_string(variable.shape[i]);
  text += variable.shape.size() == 1 ? ",)\n" : ")\n";
  std::array<char, 32> digits;
  for (std::size_t i = 0; i < variable.values.size(); ++i) {
    if (i > 0) text += ' ';
    const auto result = std::to_chars(digits.data(), digits.data() + digits.size(), variable.values[i]);
    text.append(digits.data(), result.ptr);
  }
  return text + "\n";
}

// ---- ONNX --------------------------------------------------------------------------------------------------------------

// The metadata says what a photo must become before the model sees it, and what the outputs mean.
OnnxModel onnx_of(const SavedNetwork& saved, const RunConfig& config, const std::vector<std::string>& class_names,
                  bool with_preprocessing) {
  const Normalization& normalization = config.recipe.normalization;
  OnnxModel model = onnx_model(*saved.network, *saved.parameters, with_preprocessing ? &normalization : nullptr);
  model.name = config.network;
  model.metadata = {{"network", config.network}, {"normalization", normalization.text()}};
  if (!class_names.empty()) model.metadata.push_back({"class_names", nlohmann::json(class_names).dump()});
  return model;
}

// ---- int8 --------------------------------------------------------------------------------------------------------------

struct Int8Options {
  std::string to, data;
  std::int64_t images = 512;
  double percentile = 99.99;
};

void add_int8_options(CLI::App& app, Int8Options& options) {
  app.add_option("DATA", options.data, "With --int8: " + data_help());
  CLI::Option* const to =
      app.add_option("--int8", options.to,
                     "Write the weights in eight bits, for inference on a CPU; DATA's training images say what range "
                     "activations have. A .safetensors file; -: to standard output");
  app.add_option("--calibration-images", options.images, "With --int8: so many training images, the first ones")
      ->check(number<std::int64_t>({.least = 1}))
      ->needs(to)
      ->capture_default_str();
  app.add_option("--percentile", options.percentile,
                 "With --int8: so many percent of an activation's values lie in its range, the rest is clamped")
      ->check(number<double>({.least = 50, .most = 100}))
      ->needs(to)
      ->capture_default_str();
}

void write_int8(const Output& file_out, const TensorFile& file, const RunConfig& config, const Int8Options& options,
                const DataOptions& data_options, const Console& console, const std::atomic<bool>* stop) {
  const std::shared_ptr<Device> device = Device::open({.device = "cpu", .options = {.threads = 0}});
  const SavedNetwork saved = load_network(file, config, device);
  for (const std::string& note : saved.notes) console.note(note);
  const Shape input = saved.network->input();
  OpenOptions open{.seed = config.recipe.seed, .image_size = input[0], .channels = input[2], .stop = stop};
  data_options.apply(open);
  const std::vector<std::string> classes = class_names_of(file);
  const Split split = split_for(open_data(options.data, open, console), config.recipe, {.train = options.images, .test = {}},
                                saved.network->outputs(), {.known_classes = classes, .training = false});
  if (split.train.count == 0) throw DataError(options.data + ": has no training images to look at activations with");
  const ImageBatches images(DeviceImages::upload(split.train, device),
                            gather_params(config.recipe.normalization, Augmentation::none, 0));
  const Calibration calibration = calibrate(*saved.network, images, {.percentile = options.percentile, .stop = stop});
  if (calibration.quantization.empty()) throw UsageError("nothing in this network can be computed in eight bits");
  file_out.write(
      encode_int8(*saved.parameters, calibration.quantization, weights_metadata(config, saved.network->outputs(), classes)),
      stop);
  for (const std::string& path : calibration.floats) console.note("float32  " + path);
  const std::string weights = std::to_string(calibration.quantization.size()), count = std::to_string(split.train.count);
  console.result(weights + " weights in eight bits, ranges of " + count + " images, in " + options.to);
  console.object("{\"int8\":" + weights + ",\"images\":" + count + "}");
}

}  // namespace

int tessera::export_main(int argc, char** argv) {
  CLI::App app("Writes weights in other forms.");
  OutputOptions output;
  ComputeOptions options;
  DataOptions data_options;
  Int8Options int8;
  std::string weights, txt, onnx, names = "own", network_id;
  bool with_preprocessing = false;
  app.add_option("WEIGHTS", weights, weights_help())->required();
  app.add_option("--txt", txt, "Write name, shape and all values of every trainable variable; -: to standard output");
  app.add_option("--onnx", onnx, "Write the network as an ONNX model of inference; -: to standard output")
      ->excludes(app.get_option("--txt"));
  app.add_flag("--with-preprocessing", with_preprocessing,
               "With --onnx: the model takes uint8 images (N,H,W,C) and normalises them itself")
      ->needs(app.get_option("--onnx"));
  app.add_option("--names", names, "With --txt: own, or keras (names and layouts of tf.keras)")
      ->check(one_of({"own", "keras"}))
      ->needs(app.get_option("--txt"))
      ->capture_default_str();
  app.add_option("--network", network_id, "For weights of another program: which network they are of")
      ->default_str("the file's");
  add_int8_options(app, int8);
  add_data_options(app, data_options);
  for (const char* of_data : {"--labels", "--skip-damaged"}) app.get_option(of_data)->needs(app.get_option("--int8"));
  add_network_options(app, options);
  add_output_options(app, output);

  return run_program(app, argc, argv, [&]() -> int {
    if (txt.empty() + onnx.empty() + int8.to.empty() != 2)
      throw UsageError("what to write: give one of --txt FILE, --onnx FILE and --int8 FILE");
    if (int8.to.empty() != int8.data.empty()) throw UsageError("--int8 FILE goes with DATA, and DATA with --int8 FILE");
    if (const std::string ending = std::filesystem::path(int8.to).extension(); !ending.empty() && ending != ".safetensors")
      throw UsageError("--int8 " + int8.to + ": int8 weights are a .safetensors file, which another ending would hide");
    const std::string& to = !int8.to.empty() ? int8.to : onnx.empty() ? txt : onnx;
    const std::string inputs[] = {weights, int8.data};
    const Output file_out(to, ExitCode::weights, std::span(inputs, int8.data.empty() ? 1 : 2));
    const Console console(output.verbosity(), file_out.is_standard_output());
    const TensorFile file = read_weights(weights);
    RunConfig config = config_of(file, network_id);
    options.apply(config);
    if (!int8.to.empty()) {
      SignalFlags signals;
      try {
        write_int8(file_out, file, config, int8, data_options, console, signals.stop());
        return 0;
      } catch (const Interrupted&) {
        return signals.exit_code();
      }
    }
    const SavedNetwork saved = load_network(file, config, open_onnx_device());
    for (const std::string& note : saved.notes) console.note(note);
    if (!onnx.empty()) {
      const OnnxModel model = onnx_of(saved, config, class_names_of(file), with_preprocessing);
      const std::string bytes = model.bytes();
      file_out.write(bytes_of(bytes));
      console.result(std::to_string(model.nodes.size()) + " nodes in " + onnx);
      console.object("{\"nodes\":" + std::to_string(model.nodes.size()) + "}");
      return 0;
    }
    std::vector<NamedValues> variables = own_variables(*saved.parameters);
    if (names == "keras") to_keras(variables, require_network(config.network));

    std::vector<std::string> texts;
    for (const NamedValues& variable : variables) texts.push_back(to_text(variable));
    std::vector<ByteSpan> parts;
    for (const std::string& variable : texts) parts.push_back(bytes_of(variable));
    file_out.write(parts);
    console.result(std::to_string(variables.size()) + " variables in " + txt);
    console.object("{\"variables\":" + std::to_string(variables.size()) + "}");
    return 0;
  });
}
