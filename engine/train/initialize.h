// Initial values that depend on the data (Network::initialize).
#pragma once

#include "engine/data/dataset.h"
#include "engine/data/normalization.h"
#include "engine/nn/network.h"
#include "engine/nn/parameter_store.h"

namespace tessera {

// For a training that begins anew: shows the network the first of the images that it asks for. Nothing where it asks for none.
void initialize_from(Network& network, ParameterStore& parameters, const ImageSet& images,
                     const Normalization& normalization);

}  // namespace tessera
