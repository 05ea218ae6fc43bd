// Images on a device, and the batches drawn from them.
#pragma once

#include <span>

#include "engine/core/step_state.h"
#include "engine/data/dataset.h"
#include "engine/train/recipe.h"

namespace tessera {

// A whole set of images on a device, as bytes: [count, H, W, C]. They become floats batch by batch, in one kernel.
struct DeviceImages {
  Tensor images, labels;
  std::int64_t count = 0;

  static DeviceImages upload(const ImageSet& set, const std::shared_ptr<Device>& device);
};

struct Batch {
  Tensor x;  // [n,H,W,C] of the device's activation type
  Tensor y;  // [n] int32
};

// Draws batches in a given order.
class BatchSource {
 public:
  BatchSource(DeviceImages images, const kernels::GatherParams& gather);

  std::int64_t count() const { return images_.count; }
  std::shared_ptr<Device> device() const { return images_.images.device(); }
  void set_order(std::span<const std::int32_t> order);  // a permutation of 0 … count−1; of one length always
  // `size` samples starting where `state` (device memory) says.
  Batch draw(std::int64_t size, const kernels::StepState* state) const;

 private:
  DeviceImages images_;
  kernels::GatherParams gather_;
  Tensor order_;
};

// How a recipe turns bytes into floats. Augmentation is for training only.
kernels::GatherParams gather_params(Normalization normalization, bool augment, std::uint64_t seed);

}  // namespace tessera
