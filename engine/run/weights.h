// Weights of a network in safetensors files.
//
// A file holds every parameter and buffer under its dotted path, F32. Filters are O,I,H,W in files and K,R,S,C in memory;
// everything else is the same in both. The metadata names the network. Nothing in a file depends on the time or the path.
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
// network has not is an error. WeightsError lists what is missing, extra and misshapen. Those named in `except` stay as they
// are, whatever the file has of them.
void load_weights(const Safetensors& file, ParameterStore& parameters, std::span<const std::string> except = {});

// The reverse of HostTensors::add for one tensor. WeightsError where dtype or shape differ.
void read_tensor(const Safetensors& file, const std::string& name, const Tensor& to, bool oihw_to_filters);

}  // namespace tessera
