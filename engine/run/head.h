// The head of a network that is to tell other classes apart than those it was trained on.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/nn/network.h"
#include "engine/nn/parameter_store.h"

namespace tessera {

// Names (paths) of the parameters of the network's head. Error where it has none.
std::vector<std::string> head_parameters(Network& network);
// Those parameters themselves, where a ParameterStore has given them memory.
std::vector<Parameter*> head_of(Network& network, const ParameterStore& parameters);

// The new head's values: Keras' defaults, Glorot-uniform weights and zero biases.
void initialize_head(std::span<Parameter* const> head, std::uint64_t seed);

}  // namespace tessera
