// A descriptor of cuDNN's backend API: the one kind of object that operations, graphs, engines and plans are made of.
//
// Attributes are set by name, then finalize() checks them all; a finished descriptor cannot be changed.
// Source: "cuDNN backend API", cudnnBackendSetAttribute and the attribute lists of cudnn_graph.h.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "kernels/vendor/libraries.h"

namespace tessera::kernels::vendor {

// The library's word for a C++ type.
constexpr cudnnBackendAttributeType_t attribute_type(const std::int64_t*) { return CUDNN_TYPE_INT64; }
constexpr cudnnBackendAttributeType_t attribute_type(const std::int32_t*) { return CUDNN_TYPE_INT32; }
constexpr cudnnBackendAttributeType_t attribute_type(const float*) { return CUDNN_TYPE_FLOAT; }
constexpr cudnnBackendAttributeType_t attribute_type(const bool*) { return CUDNN_TYPE_BOOLEAN; }
constexpr cudnnBackendAttributeType_t attribute_type(const char*) { return CUDNN_TYPE_CHAR; }
constexpr cudnnBackendAttributeType_t attribute_type(const cudnnDataType_t*) { return CUDNN_TYPE_DATA_TYPE; }
constexpr cudnnBackendAttributeType_t attribute_type(const cudnnHandle_t*) { return CUDNN_TYPE_HANDLE; }
constexpr cudnnBackendAttributeType_t attribute_type(const cudnnConvolutionMode_t*) { return CUDNN_TYPE_CONVOLUTION_MODE; }
constexpr cudnnBackendAttributeType_t attribute_type(const cudnnPointwiseMode_t*) { return CUDNN_TYPE_POINTWISE_MODE; }
constexpr cudnnBackendAttributeType_t attribute_type(const cudnnNanPropagation_t*) { return CUDNN_TYPE_NAN_PROPOGATION; }
constexpr cudnnBackendAttributeType_t attribute_type(const cudnnBackendHeurMode_t*) { return CUDNN_TYPE_HEUR_MODE; }
constexpr cudnnBackendAttributeType_t attribute_type(const cudnnBackendKnobType_t*) { return CUDNN_TYPE_KNOB_TYPE; }
constexpr cudnnBackendAttributeType_t attribute_type(const cudnnBackendNumericalNote_t*) {
  return CUDNN_TYPE_NUMERICAL_NOTE;
}
constexpr cudnnBackendAttributeType_t attribute_type(const cudnnBackendBehaviorNote_t*) { return CUDNN_TYPE_BEHAVIOR_NOTE; }
constexpr cudnnBackendAttributeType_t attribute_type(const cudnnBackendNormMode_t*) { return CUDNN_TYPE_NORM_MODE; }
constexpr cudnnBackendAttributeType_t attribute_type(const cudnnBackendNormFwdPhase_t*) { return CUDNN_TYPE_NORM_FWD_PHASE; }
constexpr cudnnBackendAttributeType_t attribute_type(const cudnnResampleMode_t*) { return CUDNN_TYPE_RESAMPLE_MODE; }
constexpr cudnnBackendAttributeType_t attribute_type(const cudnnPaddingMode_t*) { return CUDNN_TYPE_PADDING_MODE; }
constexpr cudnnBackendAttributeType_t attribute_type(const cudnnFraction_t*) { return CUDNN_TYPE_FRACTION; }
constexpr cudnnBackendAttributeType_t attribute_type(void* const*) { return CUDNN_TYPE_VOID_PTR; }

class Descriptor {
 public:
  Descriptor(const Cudnn& cudnn, cudnnBackendDescriptorType_t type);
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : cudnn_(other.cudnn_), raw_(other.raw_) { other.raw_ = nullptr; }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  // All throw DeviceError.
  template <class T>
  Descriptor& set(cudnnBackendAttributeName_t name, std::span<const T> values) {
    return set(name, attribute_type(values.data()), values.size(), values.data());
  }
  template <class T>
  Descriptor& set(cudnnBackendAttributeName_t name, std::initializer_list<T> values) {
    return set(name, std::span<const T>(values.begin(), values.size()));
  }
  template <class T>
  Descriptor& set(cudnnBackendAttributeName_t name, const T& value) {
    return set(name, std::span<const T>(&value, 1));
  }
  Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& value);
  Descriptor& set(cudnnBackendAttributeName_t name, const std::vector<const Descriptor*>& values);
  Descriptor& finalize();
  bool try_finalize();  // false where the library cannot do what the attributes ask for

  // As many values as there are, at most `most`.
  template <class T>
  std::vector<T> get(cudnnBackendAttributeName_t name, std::int64_t most) const {
    std::vector<T> values(static_cast<std::size_t>(most));
    values.resize(get(name, attribute_type(values.data()), most, values.data()));
    return values;
  }
  // Fills descriptors made for it; how many were filled.
  std::size_t get(cudnnBackendAttributeName_t name, std::vector<Descriptor>& values) const;

  cudnnBackendDescriptor_t raw() const { return raw_; }

 private:
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::size_t count, const void* values);
  std::size_t get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t most, void* values) const;

  const Cudnn& cudnn_;
  cudnnBackendDescriptor_t raw_ = nullptr;
};

}  // namespace tessera::kernels::vendor
