#include "engine/train/batches.h"

#include <numeric>

namespace tessera {

DeviceImages DeviceImages::upload(const ImageSet& set, const std::shared_ptr<Device>& device) {
  DeviceImages d;
  d.count = set.count;
  d.images =
      Tensor::from(device, {set.count, set.height, set.width, set.channels}, std::span<const std::uint8_t>(set.pixels));
  d.labels = Tensor::from(device, {set.count}, std::span<const std::int32_t>(set.labels));
  return d;
}

BatchSource::BatchSource(DeviceImages images, const kernels::GatherParams& gather)
    : images_(std::move(images)), gather_(gather) {
  std::vector<std::int32_t> in_order(static_cast<std::size_t>(images_.count));
  std::iota(in_order.begin(), in_order.end(), 0);
  set_order(in_order);
}

void BatchSource::set_order(std::span<const std::int32_t> order) {
  if (!order_) order_ = Tensor::empty(images_.images.device(), {static_cast<std::int64_t>(order.size())}, DType::i32);
  order_.copy_from(order);  // in place: a recorded step reads it there
}

Batch BatchSource::draw(std::int64_t size, const kernels::StepState* state) const {
  const Shape& image = images_.images.shape();
  const std::shared_ptr<Device> device = images_.images.device();
  Batch batch{Tensor::empty(device, {size, image[1], image[2], image[3]}, device->activation_type()),
              Tensor::empty(device, {size}, DType::i32)};
  device->run(&Backend::gather_batch, gather_, state, images_.images, images_.labels, order_, batch.x, batch.y);
  return batch;
}

kernels::GatherParams gather_params(Normalization normalization, bool augment, std::uint64_t seed) {
  kernels::GatherParams params;
  if (normalization == Normalization::cifar10) {
    const float mean[] = {0.4914f, 0.4822f, 0.4465f}, std[] = {0.2023f, 0.1994f, 0.2010f};
    for (int c = 0; c < 3; ++c) params.mean[c] = mean[c], params.std[c] = std[c];
  }
  if (augment) params.crop_padding = 4, params.flip = true;
  params.seed = seed;
  return params;
}

}  // namespace tessera
