#include "engine/train/explanations.h"

#include <algorithm>

#include "engine/train/batches.h"

namespace tessera {

ClassMaps explain(Network& network, const ImageSet& images, const Normalization& normalization,
                  const std::shared_ptr<Device>& device, std::span<const std::int32_t> classes, const std::string& layer,
                  const std::atomic<bool>* stop, std::int64_t at_once) {
  const ImageBatches source(DeviceImages::upload(images, device), gather_params(normalization, Augmentation::none, 0));
  StepStateBuffer state(device);
  ClassMaps all;
  for (std::int64_t first = 0; first < images.count; first += at_once) {
    if (stop && *stop) throw Interrupted("explanations stopped");
    state.write({.position = first});
    const std::int64_t size = std::min(at_once, images.count - first);
    const Batch batch = source.draw(size, state.device_pointer());
    const ClassMaps maps =
        grad_cam(network, batch.x, classes.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(size)), layer);
    all.layer = maps.layer, all.rows = maps.rows, all.columns = maps.columns;
    all.values.insert(all.values.end(), maps.values.begin(), maps.values.end());
  }
  return all;
}

}  // namespace tessera
