// The ready loop, for programs that want no more of it than its history.
#pragma once

#include <vector>

#include "engine/nn/model.h"
#include "engine/train/fit.h"

namespace tessera {

// From the parameters as they are (initialize_from first where a network's initial values depend on the data), trains by
// the recipe on the data set's training images and evaluates on its test images, where it has any, after every
// epoch; the recipe's own validation set, best weights and closing test are a run's (engine/run). Returns the history's
// rows. DataError where the images are not of the network's size, or labels are more than its outputs; NonFiniteError.
std::vector<HistoryRow> train(Network& network, ParameterStore& parameters, const Dataset& data, const Recipe& recipe);

template <class Net>
std::vector<HistoryRow> train(Model<Net>& model, const Dataset& data, const Recipe& recipe) {
  return train(model.network(), model.parameters(), data, recipe);
}

}  // namespace tessera
