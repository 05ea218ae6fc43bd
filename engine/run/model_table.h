// The model table: layer by layer, what a network is made of.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/nn/network.h"
#include "engine/nn/parameter_store.h"

namespace tessera {

struct LayerRow {
  std::string path, kind;
  Shape output;  // of one image, without the batch axis; images H,W,C
  std::int64_t parameters = 0;
  double flops = 0;
};

struct ModelTable {
  std::vector<LayerRow> layers;  // in the order of the forward pass
  std::int64_t trainable = 0, non_trainable = 0;
  double flops = 0;                   // forward pass of one image, a multiply-add counted as two
  std::int64_t activation_bytes = 0;  // outputs of all layers for one image, float32

  std::int64_t total() const { return trainable + non_trainable; }
  std::string text() const;  // ends with Total params, Trainable params, Non-trainable params, FLOP, memory
  std::string json() const;  // one object
};

// Runs the network once on one blank image of its size.
ModelTable model_table(Network& network, const ParameterStore& parameters);

}  // namespace tessera
