#include "kernels/vendor/descriptor.h"

#include <algorithm>
#include <string>

namespace tessera::kernels::vendor {

Descriptor::Descriptor(const Cudnn& cudnn, cudnnBackendDescriptorType_t type) : cudnn_(cudnn) {
  cudnn_.check(cudnn_.cudnnBackendCreateDescriptor(type, &raw_), "creating a descriptor of type " + std::to_string(type));
}

Descriptor::~Descriptor() {
  if (raw_) (void)cudnn_.cudnnBackendDestroyDescriptor(raw_);
}

Descriptor& Descriptor::set(cudnnBackendAttributeName_t name, const Descriptor& value) {
  return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value.raw_);
}

Descriptor& Descriptor::set(cudnnBackendAttributeName_t name, const std::vector<const Descriptor*>& values) {
  std::vector<cudnnBackendDescriptor_t> raw;
  for (const Descriptor* value : values) raw.push_back(value->raw_);
  return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, raw.size(), raw.data());
}

Descriptor& Descriptor::set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::size_t count,
                            const void* values) {
  cudnn_.check(cudnn_.cudnnBackendSetAttribute(raw_, name, type, static_cast<std::int64_t>(count), values),
               "setting attribute " + std::to_string(name));
  return *this;
}

Descriptor& Descriptor::finalize() {
  cudnn_.check(cudnn_.cudnnBackendFinalize(raw_), "finalizing a descriptor");
  return *this;
}

bool Descriptor::try_finalize() { return cudnn_.cudnnBackendFinalize(raw_) == CUDNN_STATUS_SUCCESS; }

std::size_t Descriptor::get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t most,
                            void* values) const {
  std::int64_t count = 0;
  cudnn_.check(cudnn_.cudnnBackendGetAttribute(raw_, name, type, most, &count, values),
               "reading attribute " + std::to_string(name));
  return static_cast<std::size_t>(std::clamp<std::int64_t>(count, 0, most));
}

std::size_t Descriptor::get(cudnnBackendAttributeName_t name, std::vector<Descriptor>& values) const {
  std::vector<cudnnBackendDescriptor_t> raw;
  for (const Descriptor& value : values) raw.push_back(value.raw_);
  return get(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, static_cast<std::int64_t>(raw.size()), raw.data());
}

}  // namespace tessera::kernels::vendor
