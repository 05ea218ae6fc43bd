// export WEIGHTS --txt FILE: the weights in forms that other programs read.
//
// The text form has three lines for every trainable variable, in the order of their creation: its name, its shape as a
// Python tuple, and all its values in row-major order with the fewest digits that give the same float32 again.
// NumPy reads a variable back by np.fromstring(line3, sep=" ").reshape(shape).
#include <CLI/CLI.hpp>
#include <array>
#include <charconv>
#include <cstring>
#include <map>

#include "apps/options.h"
#include "apps/program.h"
#include "apps/values.h"
#include "apps/verbs.h"
#include "engine/files/output.h"
#include "engine/run/console.h"
#include "engine/run/run.h"
#include "engine/run/weights.h"
#include "models/saved_network.h"

namespace {

using namespace tessera;

struct Values {  // of one variable
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> values = {};
};

// Trainable variables under our own names, in the layouts of weights files: filters [out, in, height, width], linear
// weights [out, in].
std::vector<Values> own_variables(const ParameterStore& parameters) {
  const HostTensors host = host_weights(parameters);
  const std::vector<TensorEntry> entries = host.entries();
  std::vector<Values> variables;
  for (std::size_t i = 0; i < parameters.parameters().size(); ++i) {
    if (!parameters.parameters()[i]->trainable()) continue;
    Values variable{.name = entries[i].name, .shape = entries[i].shape};
    variable.values.resize(static_cast<std::size_t>(entries[i].count()));
    std::memcpy(variable.values.data(), entries[i].bytes.data(), entries[i].bytes.size());
    variables.push_back(std::move(variable));
  }
  return variables;
}

// ---- the same as Keras would have them -----------------------------------------------------------------------------------

// The networks of tf.keras whose layers follow one another, and what Keras calls them (their class in lower case with
// underscores). Elsewhere Keras' names depend on how blocks are nested.
const std::map<std::string, std::string> keras_names = {
    {"baseline", "baseline"}, {"lenet5_sigmoid", "le_net5"}, {"alexnet8", "alex_net8"}, {"vgg16", "vgg16"}};

// axes[i]: which axis of `from` becomes axis i.
std::vector<float> transposed(const std::vector<float>& from, const std::array<std::int64_t, 4>& shape,
                              const std::array<std::size_t, 4>& axes) {
  const std::array<std::int64_t, 4> stride = {shape[1] * shape[2] * shape[3], shape[2] * shape[3], shape[3], 1};
  std::vector<float> to;
  to.reserve(from.size());
  for (std::int64_t a = 0; a < shape[axes[0]]; ++a)
    for (std::int64_t b = 0; b < shape[axes[1]]; ++b)
      for (std::int64_t c = 0; c < shape[axes[2]]; ++c)
        for (std::int64_t d = 0; d < shape[axes[3]]; ++d)
          to.push_back(from[static_cast<std::size_t>(a * stride[axes[0]] + b * stride[axes[1]] + c * stride[axes[2]] +
                                                     d * stride[axes[3]])]);
  return to;
}

// Filters become [height, width, in, out], linear weights [in, out]. The first linear layer sees flattened maps: ours in
// the order C,H,W, Keras' in H,W,C.
void to_keras(std::vector<Values>& variables, const std::string& network) {
  const auto found = keras_names.find(network);
  if (found == keras_names.end())
    throw UsageError("--names keras: known for baseline, lenet5_sigmoid, alexnet8 and vgg16, not for " + network);
  std::map<std::string, int> layers;  // how many of each kind so far
  std::string layer, kind;
  std::int64_t maps = 0;  // channels of the last convolution, until a linear layer has taken them
  for (Values& variable : variables) {
    const std::size_t dot = variable.name.rfind('.');
    const bool is_weight = variable.name.substr(dot + 1) == "weight";
    if (const std::string owner = variable.name.substr(0, dot); owner != layer) {
      layer = owner;
      const std::size_t rank = variable.shape.size();
      const std::string type = rank == 4 ? "conv2d" : rank == 2 ? "dense" : "batch_normalization";
      const int number = layers[type]++;
      kind = number == 0 ? type : type + "_" + std::to_string(number);
    }
    const bool is_norm = kind.starts_with("batch");
    variable.name =
        found->second + "/" + kind + "/" + (is_weight ? (is_norm ? "gamma" : "kernel") : (is_norm ? "beta" : "bias")) + ":0";
    const std::vector<std::int64_t> s = variable.shape;
    if (s.size() == 4) {
      variable.values = transposed(variable.values, {s[0], s[1], s[2], s[3]}, {2, 3, 1, 0});
      variable.shape = {s[2], s[3], s[1], s[0]};
      maps = s[0];
    } else if (s.size() == 2) {
      const std::int64_t channels = maps > 0 ? maps : s[1];
      variable.values = transposed(variable.values, {s[0], channels, s[1] / channels, 1}, {2, 1, 3, 0});
      variable.shape = {s[1], s[0]};
      maps = 0;
    }
  }
}

// ---- text --------------------------------------------------------------------------------------------------------------

std::string to_text(const Values& variable) {
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

}  // namespace

int tessera::export_main(int argc, char** argv) {
  CLI::App app("Writes weights in other forms.");
  OutputOptions output;
  ComputeOptions options;
  std::string weights, txt, names = "own", network_id;
  app.add_option("WEIGHTS", weights, "A .safetensors file")->required();
  app.add_option("--txt", txt, "Write name, shape and all values of every trainable variable; -: to standard output")
      ->required();
  app.add_option("--names", names, "own, or keras (names and layouts of tf.keras)")
      ->check(one_of({"own", "keras"}))
      ->capture_default_str();
  app.add_option("--network", network_id, "For weights of another program: which network they are of")
      ->default_str("the file's");
  add_network_options(app, options);
  add_output_options(app, output);

  return run_program(app, argc, argv, [&] {
    const Output text(txt, ExitCode::weights, std::span(&weights, 1));
    const Console console(output.verbosity(), text.is_standard_output());
    const Safetensors file = Safetensors::read(weights);
    RunConfig config = config_of(file, network_id);
    options.apply(config);
    const SavedNetwork saved = load_network(file, config, Device::open({.device = "cpu", .options = {.threads = 1}}));
    for (const std::string& note : saved.notes) console.note(note);
    std::vector<Values> variables = own_variables(*saved.parameters);
    if (names == "keras") to_keras(variables, config.network);

    std::vector<std::string> texts;
    for (const Values& variable : variables) texts.push_back(to_text(variable));
    std::vector<ByteSpan> parts;
    for (const std::string& variable : texts) parts.push_back(bytes_of(variable));
    text.write(parts);
    console.result(std::to_string(variables.size()) + " variables in " + txt);
    console.object("{\"variables\":" + std::to_string(variables.size()) + "}");
    return 0;
  });
}
