#include "engine/train/views.h"

namespace tessera {

SixViews::SixViews(const DeviceImages& images, const Normalization& normalization) {
  kernels::GatherParams params = gather_params(normalization, Augmentation::none, 0);
  params.fixed = params.flip = true;
  sources_.emplace_back(images, params);
  params.crop_padding = 1, params.reflect = true;
  for (const std::int32_t corner : {0, 2})
    for (const bool flip : {false, true}) {
      params.row = params.column = corner, params.flip = flip;
      sources_.emplace_back(images, params);
    }
}

std::vector<SampleView> SixViews::views() const {
  std::vector<SampleView> all{{&sources_[0], 1.0 / 4}};
  for (std::size_t i = 1; i < sources_.size(); ++i) all.push_back({&sources_[i], 1.0 / 8});
  return all;
}

}  // namespace tessera
