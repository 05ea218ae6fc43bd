// Keras' files of weights, by read_hdf5 (hdf5.h).
//
//   .weights.h5   Keras 3: <path of the layer>/vars/0, 1, …, in the order in which the layer made them
//   .keras        a zip archive that holds one, and what the model is, which is not read
//   .h5           Keras 2, and what Keras 3 still writes of whole models: layers and weights listed in attributes
//
// Variables are given as <path of the layer>/kernel, bias, gamma, beta, moving_mean, moving_variance (TensorNames::keras); what is no
// layer of a network (optimisers, counters of random draws) is left out. WeightsErrors.
// Source: keras/src/saving/saving_lib.py and keras/src/legacy/saving/legacy_h5_format.py.
#pragma once

#include <span>

#include "engine/files/tensor_file.h"

namespace tessera {

TensorFile parse_keras(Bytes file, const std::string& where);          // either form of HDF5
TensorFile parse_keras_archive(Bytes file, const std::string& where);  // .keras

// The .weights.h5 of these variables.
Bytes encode_keras(std::span<const TensorEntry> variables);

// Their .h5, which Keras 2 and 3 load by order: the variables of each layer of the model (the first part of a path, behind
// `layers/` the second), those that train before those that do not, each kind in the order given.
Bytes encode_keras_listed(std::span<const TensorEntry> variables);

}  // namespace tessera
