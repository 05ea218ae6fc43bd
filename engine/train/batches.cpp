#include "engine/train/batches.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "engine/core/error.h"
#include "engine/ops/elementwise.h"

namespace tessera {

DeviceImages DeviceImages::upload(const ImageSet& set, const std::shared_ptr<Device>& device) {
  DeviceImages d;
  d.count = set.count;
  d.images =
      Tensor::from(device, {set.count, set.height, set.width, set.channels}, std::span<const std::uint8_t>(set.pixels));
  d.labels = Tensor::from(device, {set.count}, std::span<const std::int32_t>(set.labels));
  return d;
}

ImageBatches::ImageBatches(DeviceImages images, const kernels::GatherParams& gather)
    : images_(std::move(images)), gather_(gather) {
  const Shape& shape = images_.images.shape();
  if (gather.reflect && gather.crop_padding >= std::min(shape[1], shape[2]))
    throw ShapeError("[batches] padding that reflects " + std::to_string(gather.crop_padding) + " cells of images of " +
                     std::to_string(shape[1]) + " by " + std::to_string(shape[2]) + ": it must be less than both");
  std::vector<std::int32_t> in_order(static_cast<std::size_t>(images_.count));
  std::iota(in_order.begin(), in_order.end(), 0);
  set_order(in_order);
}

void ImageBatches::set_order(std::span<const std::int32_t> order) {
  if (!order_) order_ = Tensor::empty(images_.images.device(), {static_cast<std::int64_t>(order.size())}, DType::i32);
  order_.copy_from(order);  // in place: a recorded step reads it there
}

ImageBatches::ImageBatches(DeviceImages images, const Normalization& normalization, const Augmentation& augment,
                           std::uint64_t seed)
    : ImageBatches(std::move(images), gather_params(normalization, augment, seed)) {
  std::copy(std::begin(gather_.mean), std::end(gather_.mean), alter_.mean);
  std::copy(std::begin(gather_.std), std::end(gather_.std), alter_.std);
  const Shape& shape = images_.images.shape();
  if (augment.jitter) alter_.jitter = 0.4f;
  if (augment.cutout) alter_.cutout = static_cast<std::int32_t>(std::max<std::int64_t>(1, std::min(shape[1], shape[2]) / 2));
  alter_.seed = seed;
  mix_ = {.mixup = augment.mixup, .cutmix = augment.cutmix, .seed = seed};
}

Batch ImageBatches::draw(std::int64_t size, const kernels::StepState* state, std::int64_t first) const {
  const Shape& image = images_.images.shape();
  const std::shared_ptr<Device> device = images_.images.device();
  Batch batch{Tensor::empty(device, {size, image[1], image[2], image[3]}, device->activation_type()),
              Tensor::empty(device, {size}, DType::i32)};
  const Tensor order = order_.slice(first, {order_.count() - first});
  device->run(&Backend::gather_batch, gather_, state, images_.images, images_.labels, order, batch.x, batch.y);
  if (alter_.jitter > 0 || alter_.cutout > 0) device->run(&Backend::alter_images, alter_, state, first, batch.x);
  if (mix_.mixup || mix_.cutmix) {
    const Tensor before = batch.x;
    batch.x = before.like(), batch.other = batch.y.like();
    batch.share = Tensor::empty(device, {size}, DType::f32);
    device->run(&Backend::mix_images, mix_, state, first, before, batch.y, batch.x, batch.other, batch.share);
  }
  return batch;
}

TensorBatches::Rows TensorBatches::rows_of(const Tensor& tensor) {
  const std::int64_t rows = tensor.shape().rank > 0 ? tensor.shape()[0] : 0;
  Rows all{.tensor = tensor, .bytes = std::vector<std::byte>(tensor.bytes())};
  tensor.on().download(all.bytes.data(), tensor.data(), all.bytes.size());
  all.row_bytes = rows > 0 ? all.bytes.size() / static_cast<std::size_t>(rows) : 0;
  return all;
}

void TensorBatches::Rows::take(std::span<const std::int32_t> rows, const Tensor& to) const {
  std::vector<std::byte> picked(rows.size() * row_bytes);
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::memcpy(&picked[i * row_bytes], &bytes[static_cast<std::size_t>(rows[i]) * row_bytes], row_bytes);
  to.on().upload(to.data(), picked.data(), picked.size());
}

TensorBatches::TensorBatches(const Tensor& x, const Tensor& y) : x_(rows_of(x)), y_(rows_of(y)) {
  const auto rows = [](const Tensor& t) { return t.shape().rank > 0 ? t.shape()[0] : 0; };
  if (x.dtype() != DType::f32 || (y.dtype() != DType::i32 && y.dtype() != DType::f32) || rows(x) != rows(y) || rows(x) == 0)
    throw ShapeError("[batches] x " + to_string(x.shape()) + " must be float32 and y " + to_string(y.shape()) +
                     " int32 or float32, with as many rows");
  order_.resize(static_cast<std::size_t>(rows(x)));
  std::iota(order_.begin(), order_.end(), 0);
}

void TensorBatches::prepare(std::int64_t position, std::int64_t size, std::int64_t first) const {
  const auto shape = [&](Shape of) { return of[0] = size, of; };
  Batch& batch = batches_[{first, size}];
  if (!batch.x) batch.x = Tensor::empty(device(), shape(x_.tensor.shape()), x_.tensor.dtype());
  if (!batch.y) batch.y = Tensor::empty(device(), shape(y_.tensor.shape()), y_.tensor.dtype());
  const std::span<const std::int32_t> rows =
      std::span(order_).subspan(static_cast<std::size_t>(position + first), static_cast<std::size_t>(size));
  x_.take(rows, batch.x);
  y_.take(rows, batch.y);
}

Batch TensorBatches::draw(std::int64_t size, const kernels::StepState*, std::int64_t first) const {
  const Batch& batch = batches_.at({first, size});
  return {convert(batch.x, device()->activation_type()).value(), batch.y};
}

kernels::GatherParams gather_params(const Normalization& normalization, const Augmentation& augment, std::uint64_t seed) {
  kernels::GatherParams params;
  std::copy(normalization.mean.begin(), normalization.mean.end(), params.mean);
  std::copy(normalization.std.begin(), normalization.std.end(), params.std);
  params.crop_padding = augment.crop, params.reflect = augment.reflect;
  params.flip = augment.flip, params.alternate = augment.alternate;
  params.seed = seed;
  return params;
}

}  // namespace tessera
