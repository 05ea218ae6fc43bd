// Where batches come from: images on a device, or a program's own tensors.
#pragma once

#include <map>
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
  Tensor x;                       // [n,…] of the device's activation type; images [n,H,W,C]
  Tensor y;                       // [n] int32 labels, or [n,…] float32 targets
  Tensor other = {}, share = {};  // [n] int32, float32: of mixed images, the second label and the first one's share
};

// Draws batches of its samples in a given order. For data of another kind, derive from it.
class BatchSource {
 public:
  virtual ~BatchSource() = default;

  virtual std::int64_t count() const = 0;  // of samples
  virtual std::shared_ptr<Device> device() const = 0;
  virtual void set_order(std::span<const std::int32_t> order) = 0;  // a permutation of 0 … count−1

  // Called before each draw: `size` samples from `position + first` of the order on come next. The place for what kernels
  // alone cannot do, copies from the host say.
  virtual void prepare(std::int64_t position, std::int64_t size, std::int64_t first = 0) const {
    (void)position, (void)size, (void)first;
  }
  // `size` samples starting `first` behind where `state` (device memory) says: a batch, or a part of one. It may be recorded
  // and replayed (core/recorded_work.h): then only its kernels run again, on the same addresses.
  virtual Batch draw(std::int64_t size, const kernels::StepState* state, std::int64_t first = 0) const = 0;
};

// Images in device memory, which one kernel draws, crops, flips and normalises.
class ImageBatches : public BatchSource {
 public:
  // ShapeError where padding that reflects is as wide as the images.
  ImageBatches(DeviceImages images, const kernels::GatherParams& gather);
  // Augmented: for training.
  ImageBatches(DeviceImages images, const Normalization& normalization, const Augmentation& augment, std::uint64_t seed);

  std::int64_t count() const override { return images_.count; }
  std::shared_ptr<Device> device() const override { return images_.images.device(); }
  void set_order(std::span<const std::int32_t> order) override;
  Batch draw(std::int64_t size, const kernels::StepState* state, std::int64_t first = 0) const override;
  const DeviceImages& images() const { return images_; }

 private:
  DeviceImages images_;
  kernels::GatherParams gather_;
  kernels::AlterParams alter_ = {};
  kernels::MixParams mix_ = {};
  Tensor order_;
};

// A program's own numbers, each batch copied to the device. ShapeError where x and y do not have as many rows.
class TensorBatches : public BatchSource {
 public:
  // x: [N,…] float32; y: [N] int32 labels, or [N,…] float32 targets (for a loss that takes them: Network::loss).
  TensorBatches(const Tensor& x, const Tensor& y);

  std::int64_t count() const override { return static_cast<std::int64_t>(order_.size()); }
  std::shared_ptr<Device> device() const override { return x_.tensor.device(); }
  void set_order(std::span<const std::int32_t> order) override { order_.assign(order.begin(), order.end()); }
  void prepare(std::int64_t position, std::int64_t size, std::int64_t first = 0) const override;
  Batch draw(std::int64_t size, const kernels::StepState* state, std::int64_t first = 0) const override;

 private:
  struct Rows {
    Tensor tensor;
    std::vector<std::byte> bytes;
    std::size_t row_bytes = 0;
    void take(std::span<const std::int32_t> rows, const Tensor& to) const;
  };
  static Rows rows_of(const Tensor& tensor);

  Rows x_, y_;
  std::vector<std::int32_t> order_;
  mutable std::map<std::pair<std::int64_t, std::int64_t>, Batch> batches_;  // by first and size; at addresses that stay
};

// How a recipe turns bytes into floats, by what one kernel does of its augmentation.
kernels::GatherParams gather_params(const Normalization& normalization, const Augmentation& augment, std::uint64_t seed);

}  // namespace tessera
