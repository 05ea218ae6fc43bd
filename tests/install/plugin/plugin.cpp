// What the library offers, in C: nothing of Tessera shows.
#include "engine/data/open.h"
#include "engine/nn/parameter_store.h"
#include "models/catalogue.h"

extern "C" long long training_images() { return static_cast<long long>(tessera::open_dataset("synthetic").train.count); }

extern "C" long long parameters_of(const char* network) {
  const auto device = tessera::Device::open({.device = "cpu"});
  const auto built = tessera::require_network(network).make({});
  return static_cast<long long>(tessera::ParameterStore(*built, device, 1).trainable_count());
}
