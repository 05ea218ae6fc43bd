#include "engine/core/tensor.h"

namespace tessera {

Tensor Tensor::empty(const std::shared_ptr<Device>& device, Shape shape, DType dtype) {
  Tensor t;
  t.storage_ = device->allocate(static_cast<std::size_t>(shape.count()) * kernels::size_of(dtype));
  t.shape_ = shape;
  t.dtype_ = dtype;
  return t;
}

Tensor Tensor::zeros(const std::shared_ptr<Device>& device, Shape shape, DType dtype) {
  Tensor t = empty(device, shape, dtype);
  t.zero();
  return t;
}

void* Tensor::data() const { return static_cast<std::byte*>(storage_->data()) + offset_; }

Tensor Tensor::reshape(Shape shape) const {
  if (shape.count() != count())
    throw ShapeError("[reshape] " + to_string(shape_) + " has " + std::to_string(count()) + " elements, " +
                     to_string(shape) + " needs " + std::to_string(shape.count()));
  Tensor t = *this;
  t.shape_ = shape;
  return t;
}

Tensor Tensor::slice(std::int64_t first, Shape shape) const {
  if (first < 0 || first + shape.count() > count())
    throw ShapeError("[slice] elements " + std::to_string(first) + " to " + std::to_string(first + shape.count()) + " of " +
                     to_string(shape_));
  Tensor t = *this;
  t.shape_ = shape;
  t.offset_ += static_cast<std::size_t>(first) * kernels::size_of(dtype_);
  return t;
}

void Tensor::zero() const { on().zero(data(), bytes()); }

void Tensor::check_host_copy(DType dtype, std::int64_t host_count, const char* what) const {
  if (dtype != dtype_ || host_count != count())
    throw ShapeError(std::string("[") + what + "] tensor is " + kernels::name_of(dtype_) + " " + to_string(shape_) +
                     ", host side is " + std::to_string(host_count) + " × " + kernels::name_of(dtype));
}

}  // namespace tessera
