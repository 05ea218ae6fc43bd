// From a weights file back to the network it is of.
#pragma once

#include <string>
#include <vector>

#include "engine/files/tensor_file.h"
#include "engine/nn/parameter_store.h"
#include "engine/nn/quantization.h"
#include "engine/run/config.h"
#include "models/catalogue.h"

namespace tessera {

// What the file's metadata says of the network it belongs to, on top of that network's recipe. `network` overrides the
// name (files of other programs carry none). WeightsError where neither names a network of the catalogue.
RunConfig config_of(const TensorFile& file, const std::string& network);

// Names of the file's labels 0, 1, …; empty where it has none.
std::vector<std::string> class_names_of(const TensorFile& file);

struct SavedNetwork {
  std::unique_ptr<Network> network;
  std::unique_ptr<ParameterStore> parameters;
  std::vector<std::string> notes = {};  // what was done to fit the file, for people
  Quantization quantization = {};       // of int8 weights, for Inference; the parameters hold them as floats
};

// What becomes of a file of int8 weights: an error where the caller has no use for them.
enum class Int8Weights : std::uint8_t { refused, accepted };

// Builds config.network and loads the file into it. WeightsError where the file is not of that network: that is found out
// before memory is taken for it.
SavedNetwork load_network(const TensorFile& file, const RunConfig& config, const std::shared_ptr<Device>& device,
                          Int8Weights int8 = Int8Weights::refused);

}  // namespace tessera
