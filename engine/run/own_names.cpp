#include "engine/run/own_names.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "engine/nn/layers.h"
#include "engine/nn/state_dict_parts.h"
#include "engine/run/int8_file.h"

namespace tessera {
namespace {

// ---- the layers of a network ---------------------------------------------------------------------------------------------

enum class Kind { convolution, linear, norm };

struct Layer {
  std::string path;
  Kind kind;
  std::int64_t channels = 0;  // of the maps that a linear layer sees flattened; 0: it sees none
};

// Those with parameters, in the order of visit().
std::vector<Layer> layers_of(Network& network) {
  struct Collector : Visitor {
    void on_module(const std::string&, Module& module) override {
      if (dynamic_cast<Flatten*>(&module)) flattened = true;
    }
    void on_parameter(const std::string& path, Parameter& parameter) override {
      constexpr std::string_view ending = ".weight";
      if (!parameter || !path.ends_with(ending)) return;
      const Shape& shape = parameter.shape();
      Layer layer{path.substr(0, path.size() - ending.size()), shape.rank == 4   ? Kind::convolution
                                                               : shape.rank == 2 ? Kind::linear
                                                                                 : Kind::norm};
      if (layer.kind == Kind::convolution) channels = shape[0];
      if (layer.kind == Kind::linear && std::exchange(flattened, false)) layer.channels = channels;
      all.push_back(std::move(layer));
    }
    std::vector<Layer> all;
    std::int64_t channels = 0;  // of the last convolution
    bool flattened = false;
  } collector;
  network.visit(collector);
  return collector.all;
}

// ---- layouts -------------------------------------------------------------------------------------------------------------

// [rows, columns] → [columns, rows]
TensorEntry transposed(const TensorEntry& tensor, TensorFile& to) {
  const std::int64_t rows = tensor.shape[0], columns = tensor.shape[1];
  return {tensor.name,
          tensor.dtype,
          {columns, rows},
          to.keep(gather(tensor.bytes, size_of(tensor.dtype), {columns, rows}, {1, columns}))};
}

// Keras' filters [h,w,i,o] → [o,i,h,w], linear weights [in,out] → [out,in]; where the inputs are flattened maps, from h,w,c to
// c,h,w. And back.
TensorEntry from_keras(const TensorEntry& tensor, const Layer& layer, TensorFile& to) {
  const std::vector<std::int64_t>& s = tensor.shape;
  if (s.size() == 4) {
    const std::vector<std::int64_t> shape = {s[3], s[2], s[0], s[1]};
    return {tensor.name, tensor.dtype, shape,
            to.keep(gather(tensor.bytes, size_of(tensor.dtype), shape, {1, s[3], s[1] * s[2] * s[3], s[2] * s[3]}))};
  }
  if (s.size() != 2) return tensor;
  const std::int64_t channels = layer.channels > 0 && s[0] % layer.channels == 0 ? layer.channels : s[0];
  const std::int64_t cells = channels > 0 ? s[0] / channels : 0;
  return {tensor.name,
          tensor.dtype,
          {s[1], s[0]},
          to.keep(gather(tensor.bytes, size_of(tensor.dtype), {s[1], channels, cells}, {1, s[1], channels * s[1]}))};
}

TensorEntry to_keras(const TensorEntry& tensor, const Layer& layer, TensorFile& to) {
  const std::vector<std::int64_t>& s = tensor.shape;
  if (s.size() == 4) {
    const std::vector<std::int64_t> shape = {s[2], s[3], s[1], s[0]};
    return {tensor.name, tensor.dtype, shape,
            to.keep(gather(tensor.bytes, size_of(tensor.dtype), shape, {s[3], 1, s[2] * s[3], s[1] * s[2] * s[3]}))};
  }
  if (s.size() != 2) return tensor;
  const std::int64_t channels = layer.channels > 0 && s[1] % layer.channels == 0 ? layer.channels : s[1];
  const std::int64_t cells = channels > 0 ? s[1] / channels : 0;
  return {tensor.name,
          tensor.dtype,
          {s[1], s[0]},
          to.keep(gather(tensor.bytes, size_of(tensor.dtype), {cells, channels, s[0]}, {1, cells, s[1]}))};
}

// ---- names ---------------------------------------------------------------------------------------------------------------

struct Role {
  std::string_view own, paddle, keras, keras_norm;
};
constexpr std::array<Role, 4> roles = {{{"weight", "weight", "kernel", "gamma"},
                                        {"bias", "bias", "bias", "beta"},
                                        {"running_mean", "_mean", "", "moving_mean"},
                                        {"running_var", "_variance", "", "moving_variance"}}};

std::pair<std::string, std::string> split_at_last(const std::string& name, char mark) {
  const std::size_t at = name.rfind(mark);
  return at == name.npos ? std::pair(std::string(), name) : std::pair(name.substr(0, at), name.substr(at + 1));
}

std::span<const StateDictPart> state_dict_parts(const Network& network) {
  const auto* const names = dynamic_cast<const StateDictNames*>(&network);
  return names ? names->state_dict_parts() : std::span<const StateDictPart>();
}

// The tensors of a file under other names: rename(name).
template <class Rename>
TensorFile renamed(const TensorFile& file, const Rename& rename) {
  TensorFile all(file.where());
  all.set_metadata(file.metadata());
  for (TensorEntry tensor : file.tensors()) {
    tensor.name = rename(tensor.name);
    all.add(std::move(tensor));
  }
  return all;
}

// Of `parts` the first that `name` begins with, or that follows a wrapper's prefix (module., which load_weights() takes away).
// Names that are ours already have none of the original's parts.
std::string name_of_torch(const std::string& name, std::span<const StateDictPart> parts) {
  for (const StateDictPart& part : parts)
    for (std::size_t at = name.find(part.original); at != name.npos; at = name.find(part.original, at + 1)) {
      const std::size_t end = at + part.original.size();
      if ((at == 0 || name[at - 1] == '.') && end < name.size() && name[end] == '.')
        return name.substr(0, at) + std::string(part.own) + name.substr(end);
    }
  return name;
}

std::string name_for_torch(const std::string& name, std::span<const StateDictPart> parts) {
  for (const StateDictPart& part : parts)
    if (name.starts_with(std::string(part.own) + ".")) return std::string(part.original) + name.substr(part.own.size());
  return name;
}

TensorFile own_of_paddle(const TensorFile& file) {
  TensorFile own(file.where());
  own.set_metadata(file.metadata());
  for (const TensorEntry& tensor : file.tensors()) {
    TensorEntry entry = tensor.shape.size() == 2 ? transposed(tensor, own) : tensor;
    auto [layer, last] = split_at_last(tensor.name, '.');
    for (const Role& role : roles)
      if (last == role.paddle && !layer.empty()) entry.name = layer + "." + std::string(role.own);
    own.add(std::move(entry));
  }
  return own;
}

// A layer as a file of Keras has it.
struct KerasLayer {
  std::string path;
  std::map<std::string, const TensorEntry*> variables = {};

  std::optional<Kind> kind() const {
    if (variables.contains("gamma") || variables.contains("moving_mean")) return Kind::norm;
    const auto kernel = variables.find("kernel");
    if (kernel == variables.end()) return std::nullopt;
    const std::size_t rank = kernel->second->shape.size();
    if (rank == 4) return Kind::convolution;
    return rank == 2 ? std::optional(Kind::linear) : std::nullopt;
  }
};

std::vector<KerasLayer> keras_layers_of(const TensorFile& file) {
  std::vector<KerasLayer> layers;
  std::map<std::string, std::size_t> known;
  for (const TensorEntry& tensor : file.tensors()) {
    auto [path, variable] = split_at_last(tensor.name, '/');
    const auto [at, is_new] = known.emplace(path, layers.size());
    if (is_new) layers.push_back({path});
    layers[at->second].variables[variable] = &tensor;
  }
  return layers;
}

// Layers beside each other in the order in which the original makes them, which is that of `parts`; else in ours.
std::vector<Layer> in_keras_order(std::vector<Layer> layers, std::span<const KerasPart> parts) {
  const auto parent = [](const Layer& layer) { return split_at_last(layer.path, '.').first; };
  const auto place = [&](const Layer& layer) {
    const std::string last = split_at_last(layer.path, '.').second;
    return std::find_if(parts.begin(), parts.end(), [&](const KerasPart& part) { return part.own == last; }) - parts.begin();
  };
  for (auto begin = layers.begin(); begin != layers.end();) {
    const auto end = std::find_if(begin, layers.end(), [&](const Layer& layer) { return parent(layer) != parent(*begin); });
    std::stable_sort(begin, end, [&](const Layer& a, const Layer& b) { return place(a) < place(b); });
    begin = end;
  }
  return layers;
}

// For each layer of the file the network's that it is; null where it is none.
std::vector<const Layer*> match_keras(const std::vector<KerasLayer>& theirs, const std::vector<Layer>& ours,
                                      Network& network, const std::string& where, std::vector<std::string>& notes) {
  std::map<std::string, const Layer*> by_path;
  for (const Layer& layer : ours) by_path[keras_path(layer.path, network.keras_parts())] = &layer;
  std::vector<const Layer*> matched(theirs.size());
  std::size_t found = 0;
  for (std::size_t i = 0; i < theirs.size(); ++i)
    if (const auto at = by_path.find(theirs[i].path); at != by_path.end() && theirs[i].kind() == at->second->kind)
      matched[i] = at->second, ++found;
  if (found > 0 && 2 * found >= ours.size()) return matched;

  std::map<Kind, std::vector<const Layer*>> in_order;
  for (const Layer& layer : ours) in_order[layer.kind].push_back(&layer);
  std::map<Kind, std::size_t> taken;
  for (std::size_t i = 0; i < theirs.size(); ++i) {
    matched[i] = nullptr;
    if (const std::optional<Kind> kind = theirs[i].kind())
      if (const std::size_t n = taken[*kind]++; n < in_order[*kind].size()) matched[i] = in_order[*kind][n];
  }
  notes.push_back(
      where + ": layers are taken in the order they have in the file: convolutions, linear layers and batch norms, each " +
      "kind by itself");
  return matched;
}

TensorFile own_of_keras(const TensorFile& file, Network& network, std::vector<std::string>& notes) {
  const std::vector<Layer> ours = layers_of(network);
  const std::vector<KerasLayer> theirs = keras_layers_of(file);
  const std::vector<const Layer*> matched = match_keras(theirs, ours, network, file.where(), notes);
  TensorFile own(file.where());
  own.set_metadata(file.metadata());
  for (std::size_t i = 0; i < theirs.size(); ++i)
    for (const auto& [variable, tensor] : theirs[i].variables) {
      const Layer* layer = matched[i];
      const auto role = std::find_if(roles.begin(), roles.end(), [&, variable = variable](const Role& r) {
        return layer && variable == (layer->kind == Kind::norm ? r.keras_norm : r.keras);
      });
      if (role == roles.end()) {
        own.add(*tensor);
        continue;
      }
      TensorEntry entry = from_keras(*tensor, *layer, own);
      entry.name = layer->path + "." + std::string(role->own);
      own.add(std::move(entry));
    }
  return own;
}

}  // namespace

TensorFile own_names(const TensorFile& file, Network& network, std::vector<std::string>& notes) {
  if (is_int8(file))
    throw WeightsError(file.where() +
                       ": int8 weights are for evaluate, predict and summary; give the float32 weights that they "
                       "were made of");
  switch (file.names()) {
    case TensorNames::torch: break;
    case TensorNames::paddle: return own_of_paddle(file);
    case TensorNames::keras: return own_of_keras(file, network, notes);
  }
  const auto parts = state_dict_parts(network);
  return renamed(file, [&](const std::string& name) { return name_of_torch(name, parts); });
}

TensorFile own_names(TensorFile&& file, Network& network, std::vector<std::string>& notes) {
  TensorFile own = own_names(static_cast<const TensorFile&>(file), network, notes);
  own.keep(std::move(file));
  return own;
}

TensorFile foreign_names(const TensorFile& own, Network& network, TensorNames names) {
  if (names == TensorNames::torch) {
    const auto parts = state_dict_parts(network);
    return renamed(own, [&](const std::string& name) { return name_for_torch(name, parts); });
  }
  TensorFile foreign(own.where(), names);
  std::vector<Layer> layers = layers_of(network);
  if (names == TensorNames::keras) layers = in_keras_order(std::move(layers), network.keras_parts());
  for (const Layer& layer : layers)
    for (const Role& role : roles) {
      const TensorEntry* tensor = own.find(layer.path + "." + std::string(role.own));
      if (!tensor) continue;
      TensorEntry entry = *tensor;
      if (names == TensorNames::paddle) {
        if (entry.shape.size() == 2) entry = transposed(entry, foreign);
        entry.name = layer.path + "." + std::string(role.paddle);
      } else {
        entry = to_keras(entry, layer, foreign);
        entry.name = keras_path(layer.path, network.keras_parts()) + "/" +
                     std::string(layer.kind == Kind::norm ? role.keras_norm : role.keras);
      }
      foreign.add(std::move(entry));
    }
  return foreign;
}

}  // namespace tessera
