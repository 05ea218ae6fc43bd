#include "engine/train/train.h"

#include <algorithm>

namespace tessera {
namespace {

void check(const ImageSet& set, const char* which, Network& network) {
  const Shape images{set.height, set.width, set.channels};
  if (set.count > 0 && !(images == network.input()))
    throw DataError(std::string("[train] the ") + which + " images are " + to_string(images) + ", the network takes " +
                    to_string(network.input()));
  const std::int64_t classes = std::max<std::int64_t>(2, network.outputs());
  for (const std::int32_t label : set.labels)
    if (label < 0 || label >= classes)
      throw DataError(std::string("[train] label ") + std::to_string(label) + " of a " + which +
                      " image: the network tells " + std::to_string(classes) + " classes apart");
}

}  // namespace

std::vector<HistoryRow> train(Network& network, ParameterStore& parameters, const Dataset& data, const Recipe& recipe) {
  if (data.train.count == 0) throw DataError("[train] the data set has no training images");
  check(data.train, "training", network);
  check(data.test, "test", network);
  const auto batches = [&](const ImageSet& set, const Augmentation& augment) {
    return ImageBatches(DeviceImages::upload(set, parameters.device()), recipe.normalization.of_channels(set.channels),
                        augment, recipe.seed);
  };
  ImageBatches images = batches(data.train, recipe.augment);
  std::optional<ImageBatches> test;
  if (data.test.count > 0) test = batches(data.test, Augmentation::none);
  Recipe own = recipe;
  own.class_weights =
      recipe.class_weights.resolved(data.train.labels, static_cast<std::int64_t>(data.classes.size()), network.outputs());
  Fit fit(network, parameters, own, images, test ? &*test : nullptr);
  fit.run();
  return fit.state().history;
}

}  // namespace tessera
