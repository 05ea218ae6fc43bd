#include "engine/files/keras.h"

#include <array>
#include <map>

#include "engine/files/hdf5.h"
#include "engine/files/zip.h"

namespace tessera {
namespace {

constexpr std::array<std::string_view, 4> of_norm = {"gamma", "beta", "moving_mean", "moving_variance"};
constexpr std::array<std::string_view, 2> of_others = {"kernel", "bias"};
constexpr std::string_view variables_mark = "/vars/";

// What Keras 3 saves beside the layers.
bool is_beside(std::string_view path) {
  return path.starts_with("optimizer/") || path.starts_with("vars/") || path.find("seed_generator") != path.npos ||
         path.starts_with("metrics/") || path.starts_with("_metrics/");
}

// "sequential/conv2d/kernel:0" of layer "conv2d" → "conv2d/sequential/conv2d/kernel"
std::string without_number(std::string name) {
  if (const std::size_t colon = name.rfind(":"); colon != name.npos && name.find('/', colon) == name.npos)
    name.resize(colon);
  return name;
}

TensorFile of_listed(const TensorFile& datasets, const std::string& where) {
  TensorFile file(where, TensorNames::keras);
  for (TensorEntry entry : datasets.tensors()) {
    entry.name = without_number(entry.name);
    file.add(std::move(entry));
  }
  return file;
}

TensorFile of_paths(const TensorFile& datasets, const std::string& where) {
  std::map<std::string, std::vector<const TensorEntry*>, std::less<>> layers;  // their variables, in order
  std::vector<std::string> order;
  for (const TensorEntry& entry : datasets.tensors()) {
    if (is_beside(entry.name)) continue;
    const std::string layer = entry.name.substr(0, entry.name.rfind(variables_mark));
    if (!layers.contains(layer)) order.push_back(layer);
    layers[layer].push_back(&entry);
  }
  TensorFile file(where, TensorNames::keras);
  for (const std::string& layer : order) {
    const std::vector<const TensorEntry*>& variables = layers[layer];
    const bool is_norm = variables.size() == of_norm.size() && variables[0]->shape.size() == 1;
    const bool is_other = variables.size() <= of_others.size() && variables[0]->shape.size() >= 2;
    for (std::size_t i = 0; i < variables.size(); ++i) {
      TensorEntry entry = *variables[i];
      if (is_norm || is_other) entry.name = layer + "/" + std::string(is_norm ? of_norm[i] : of_others[i]);
      file.add(std::move(entry));
    }
  }
  return file;
}

TensorFile parse(ByteSpan bytes, const std::string& where) {
  TensorFile datasets = read_hdf5(bytes, where);
  bool by_paths = false;
  for (const TensorEntry& entry : datasets.tensors())
    by_paths = by_paths || entry.name.find(variables_mark) != std::string::npos;
  TensorFile file = by_paths ? of_paths(datasets, where) : of_listed(datasets, where);
  if (file.tensors().empty()) throw WeightsError(where + ": an HDF5 file without layers: not what Keras writes of weights");
  file.keep(std::move(datasets));
  return file;
}

}  // namespace

TensorFile parse_keras(Bytes bytes, const std::string& where) { return parse(bytes, where); }

TensorFile parse_keras_archive(Bytes bytes, const std::string& where) {
  constexpr std::string_view name = "model.weights.h5";
  ZipReader zip(bytes, where, ExitCode::weights);
  const ZipReader::Entry* entry = zip.find(name);
  if (!entry) throw WeightsError(where + ": has no " + std::string(name));
  return parse(zip.read(*entry), where + ": " + std::string(name));
}

Bytes encode_keras(std::span<const TensorEntry> variables) {
  std::vector<TensorEntry> datasets;
  std::map<std::string, std::size_t> counts;  // of variables of a layer so far
  for (const TensorEntry& variable : variables) {
    const std::string layer = variable.name.substr(0, variable.name.rfind('/'));
    TensorEntry& dataset = datasets.emplace_back(variable);
    dataset.name = layer + std::string(variables_mark) + std::to_string(counts[layer]++);
  }
  return write_hdf5(datasets);
}

Bytes encode_keras_listed(std::span<const TensorEntry> variables) {
  const auto layer_of = [](const std::string& path) {
    constexpr std::string_view list = "layers/";
    const std::size_t begin = path.starts_with(list) ? list.size() : 0;
    return path.substr(begin, path.find('/', begin) - begin);
  };
  Hdf5Texts layers{.group = "", .name = "layer_names", .texts = {}};
  std::map<std::string, std::vector<const TensorEntry*>> of_layer;
  for (const bool moving : {false, true})
    for (const TensorEntry& variable : variables) {
      if ((variable.name.find("/moving_") != std::string::npos) != moving) continue;
      std::vector<const TensorEntry*>& list = of_layer[layer_of(variable.name)];
      if (list.empty()) layers.texts.push_back(layer_of(variable.name));
      list.push_back(&variable);
    }
  std::vector<TensorEntry> datasets;
  // Of a file that does not say which Keras it is of, layouts are taken to be those of Keras 1.
  std::vector<Hdf5Texts> attributes = {layers,
                                       {.group = "", .name = "keras_version", .texts = {"2.0.0"}, .single = true},
                                       {.group = "", .name = "backend", .texts = {"tensorflow"}, .single = true}};
  for (const std::string& layer : layers.texts) {
    Hdf5Texts& weights = attributes.emplace_back(Hdf5Texts{.group = layer, .name = "weight_names", .texts = {}});
    for (const TensorEntry* variable : of_layer[layer]) {
      weights.texts.push_back(variable->name + ":0");
      TensorEntry& dataset = datasets.emplace_back(*variable);
      dataset.name = layer + "/" + weights.texts.back();
    }
  }
  return write_hdf5(datasets, attributes);
}

}  // namespace tessera
