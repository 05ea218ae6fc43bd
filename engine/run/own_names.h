// Between other programs' names and layouts of weights and ours (TensorNames, engine/files/tensor_file.h).
#pragma once

#include <string>
#include <vector>

#include "engine/files/tensor_file.h"
#include "engine/nn/network.h"

namespace tessera {

// The file's tensors under the names and in the layouts of `network`: the way in. What fits nothing keeps its name, for
// load_weights() to complain of. Adds to `notes` what a person should know. Spans point into `file`, which must outlive it.
//
//   torch    as they are, but for modules that the original calls otherwise (engine/nn/state_dict_parts.h)
//   paddle   ._mean and ._variance become .running_mean and .running_var; linear weights are transposed
//   keras    layers are found by their paths (Network::keras_parts), or, where those are others, layers of each kind
//            (convolutions, linear layers, batch norms) in their order in the file, with a note. Filters, linear weights, and the order
//            in which a linear layer sees flattened maps are rearranged
TensorFile own_names(const TensorFile& file, Network& network, std::vector<std::string>& notes);

// The same of a file that was opened for this alone.
TensorFile own_names(TensorFile&& file, Network& network, std::vector<std::string>& notes);

// Tensors of `network` under its own names become those of another program: the way out. Layers beside each other come in the
// order of Network::keras_parts where it has them, since Keras 2's files know layers by their order.
TensorFile foreign_names(const TensorFile& own, Network& network, TensorNames names);

}  // namespace tessera
