#include "engine/train/initialize.h"

#include <algorithm>
#include <array>

namespace tessera {

void initialize_from(Network& network, ParameterStore& parameters, const ImageSet& images,
                     const Normalization& normalization) {
  const std::int64_t count = std::min(network.initial_images(), images.count);
  if (count == 0) return;
  std::vector<float> values(static_cast<std::size_t>(count * images.image_size()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t channel = i % static_cast<std::size_t>(images.channels);
    values[i] =
        (static_cast<float>(images.pixels[i]) / 255.0f - normalization.mean.at(channel)) / normalization.std.at(channel);
  }
  network.initialize(values, {count, images.height, images.width, images.channels});
  parameters.values_changed();
}

}  // namespace tessera
