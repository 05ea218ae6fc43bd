// Weights of a network in files.
//
// A file holds every parameter and buffer under its dotted path, F32. Filters are O,I,H,W in files and K,R,S,C in memory;
// everything else is the same in both. The metadata names the network. Nothing in a file depends on the time or the path.
//
// Files of other programs are read too (own_names.h for their names and layouts): F16, BF16 and F64 are converted, and where
// every name begins with `module.`,
// `_orig_mod.`, `model.` or `state_dict.` (or several of them) and the names fit without, it is left out.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "engine/files/safetensors.h"
#include "engine/nn/parameter_store.h"

namespace tessera {

// Host copies of tensors under their file names and layouts, and entries that point into them.
class HostTensors {
 public:
  void add(std::string name, const Tensor& tensor, bool filters_to_oihw);
  std::vector<TensorEntry> entries() const;

 private:
  struct Item {
    std::string name;
    std::vector<std::int64_t> shape;
    std::vector<float> values;
  };
  std::vector<Item> items_;
};

// Parameters, then buffers.
HostTensors host_weights(const ParameterStore& parameters);

// NonFiniteError where a value is NaN or infinite: such weights are never saved. WeightsError where writing fails; the old
// file is then untouched.
void save_weights(const std::filesystem::path& path, const ParameterStore& parameters, const Metadata& metadata);

// Every parameter and buffer must be in the file, in its shape; `*.num_batches_tracked` is ignored, anything else that the
// network has not is an error. WeightsError lists what is missing, unknown and misshapen, and nothing is loaded then;
// NonFiniteError where a value is NaN or infinite. Those named in `except` stay as they are, whatever the file has of them.
// Returns what was done to fit the file, a line each, for people.
std::vector<std::string> load_weights(const TensorFile& file, ParameterStore& parameters,
                                      std::span<const std::string> except = {});

// The same check from the network's shapes alone: made before a ParameterStore takes memory for a network whose size a
// file has named, it keeps that memory within a small multiple of the file's own size.
void require_weights_of(Module& network, const TensorFile& file, std::span<const std::string> except = {});

// The values of one tensor of that name and shape.
void read_tensor(const TensorFile& file, const std::string& name, const Tensor& to);

}  // namespace tessera
