// Tensor: a dense, row-major array on a device. A handle: copies share the elements.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/core/device.h"
#include "engine/core/error.h"
#include "engine/core/shape.h"

namespace tessera {

class Tensor {
 public:
  Tensor() = default;  // no tensor

  static Tensor empty(const std::shared_ptr<Device>& device, Shape shape, DType dtype);  // contents undefined
  static Tensor zeros(const std::shared_ptr<Device>& device, Shape shape, DType dtype);
  // A copy of host values; their number must be the shape's.
  template <class T>
  static Tensor from(const std::shared_ptr<Device>& device, Shape shape, std::span<const T> values) {
    Tensor t = empty(device, shape, kernels::dtype_of<T>);
    t.copy_from(values);
    return t;
  }
  template <class T>
  static Tensor from(const std::shared_ptr<Device>& device, Shape shape, const std::vector<T>& values) {
    return from(device, shape, std::span<const T>(values));
  }

  explicit operator bool() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  std::int64_t count() const { return shape_.count(); }
  std::size_t bytes() const { return static_cast<std::size_t>(count()) * kernels::size_of(dtype_); }
  std::shared_ptr<Device> device() const { return storage_->device().shared_from_this(); }
  Device& on() const { return storage_->device(); }  // the device, for calls that do not keep it
  void* data() const;

  kernels::View view() const { return storage_ ? kernels::View{data(), dtype_, shape_} : kernels::View{}; }
  operator kernels::View() const { return view(); }
  operator kernels::ConstView() const { return view(); }

  // The same elements under another shape of the same count.
  Tensor reshape(Shape shape) const;
  // `shape.count()` elements starting at flat element `first`, sharing memory.
  Tensor slice(std::int64_t first, Shape shape) const;
  Tensor like() const { return empty(device(), shape_, dtype_); }  // same device, shape and dtype; contents undefined

  void zero() const;
  template <class T>
  void copy_from(std::span<const T> values) const {
    check_host_copy(kernels::dtype_of<T>, static_cast<std::int64_t>(values.size()), "copy_from");
    on().upload(data(), values.data(), bytes());
  }
  template <class T>
  void copy_to(std::span<T> values) const {
    check_host_copy(kernels::dtype_of<T>, static_cast<std::int64_t>(values.size()), "copy_to");
    on().download(values.data(), data(), bytes());
  }
  template <class T>
  std::vector<T> to_host() const {
    std::vector<T> values(static_cast<std::size_t>(count()));
    copy_to(std::span<T>(values));
    return values;
  }

 private:
  void check_host_copy(DType dtype, std::int64_t count, const char* what) const;

  std::shared_ptr<Storage> storage_;
  Shape shape_;
  std::size_t offset_ = 0;  // bytes
  DType dtype_ = DType::f32;
};

}  // namespace tessera
