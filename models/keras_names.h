// Trainable variables as tf.keras names them and lays them out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/catalogue.h"

namespace tessera {

struct NamedValues {  // of one variable
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> values = {};
};

// variables: of `network`, under our names and in the layouts of weights files (filters [out,in,height,width], linear weights
// [out,in]), in the order of their creation. They become <model>/<layer>/<variable>:0, layers numbered by kind as Keras does;
// filters [height,width,in,out], linear weights [in,out]. The first linear layer sees flattened maps: ours in the order
// C,H,W, Keras' in H,W,C. UsageError where the network has no NetworkEntry::keras_name.
void to_keras(std::vector<NamedValues>& variables, const NetworkEntry& network);

}  // namespace tessera
