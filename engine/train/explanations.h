// Grad-CAM of images as data sets and photos give them.
#pragma once

#include <atomic>

#include "engine/data/dataset.h"
#include "engine/data/normalization.h"
#include "engine/nn/grad_cam.h"

namespace tessera {

// For each image the maps of its class (grad_cam), at most `at_once` images at a time. Errors as there; Interrupted once `stop` is set.
ClassMaps explain(Network& network, const ImageSet& images, const Normalization& normalization,
                  const std::shared_ptr<Device>& device, std::span<const std::int32_t> classes,
                  const std::string& layer = {}, const std::atomic<bool>* stop = nullptr, std::int64_t at_once = 32);

}  // namespace tessera
